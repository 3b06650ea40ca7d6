/** Photographs, as far as a canvas can paint them, compressed to JPEG by the browser itself. */

const SCENES = {
  dawn: {
    sky: ['#2b3a67', '#b56576', '#eaac8b', '#ffe0b5'], sun: { x: 0.68, y: 0.5, radius: 0.055, colour: '#fff3d6' },
    ridges: ['#8d6a86', '#6a5378', '#463f63', '#2a2a49', '#161a33'], seed: 7,
  },
  lake: {
    sky: ['#0b3c5d', '#328cc1', '#9ad1e3', '#e8f6f5'], sun: { x: 0.28, y: 0.26, radius: 0.04, colour: '#ffffff' },
    ridges: ['#9bb8c4', '#6f9aa8', '#3f7480', '#24545c', '#123238'], seed: 23,
  },
};

/**
 * A landscape as JPEG.
 * @param {import('./harness.js').Desk} desk
 * @param {keyof typeof SCENES} [scene]
 * @param {{ width: number, height: number }} [size]
 */
export async function jpeg(desk, scene = 'dawn', size = { width: 640, height: 426 }) {
  // A tab of its own, since a page's policy and its mocked clock are no business of a painter's.
  const studio = await desk.context.newPage();
  try {
    return Buffer.from(await studio.evaluate(paint, { ...SCENES[scene], ...size }), 'base64');
  } finally {
    await studio.close();
  }
}

/**
 * Runs in the browser.
 * @param {(typeof SCENES)['dawn'] & { width: number, height: number }} scene
 * @returns {Promise<string>} base64
 */
async function paint({ sky, sun, ridges, seed, width, height }) {
  const canvas = document.createElement('canvas');
  Object.assign(canvas, { width, height });
  const brush = canvas.getContext('2d');

  const air = brush.createLinearGradient(0, 0, 0, height * 0.8);
  sky.forEach((colour, index) => air.addColorStop(index / (sky.length - 1), colour));
  brush.fillStyle = air;
  brush.fillRect(0, 0, width, height);

  const [x, y, radius] = [sun.x * width, sun.y * height, sun.radius * width];
  const glow = brush.createRadialGradient(x, y, radius * 0.9, x, y, radius * 6);
  glow.addColorStop(0, `${sun.colour}90`);
  glow.addColorStop(1, `${sun.colour}00`);
  brush.fillStyle = glow;
  brush.fillRect(0, 0, width, height);
  brush.fillStyle = sun.colour;
  brush.beginPath();
  brush.arc(x, y, radius, 0, 2 * Math.PI);
  brush.fill();

  // Each ridge is a sum of waves, the nearer the lower, the darker and the rougher.
  ridges.forEach((colour, index) => {
    const level = height * (0.5 + 0.11 * index);
    const wave = (at, length, phase) => Math.sin((at / width) * 2 * Math.PI * length + phase * seed);
    brush.fillStyle = colour;
    brush.beginPath();
    brush.moveTo(0, height);
    for (let at = 0; at <= width; at++) {
      const swell = wave(at, 1.3 + index * 0.5, index + 1) + 0.5 * wave(at, 3.1 + index, index + 2) + 0.16 * wave(at, 11 + 4 * index, index + 3);
      brush.lineTo(at, level - swell * height * 0.06);
    }
    brush.lineTo(width, height);
    brush.fill();
  });

  const blob = await new Promise((done) => canvas.toBlob(done, 'image/jpeg', 0.86));
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
