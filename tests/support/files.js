/** Real files, made here: a picture, a document and a film, each as its format asks for. */

import { createHash, randomBytes } from 'node:crypto';
import { crc32, deflateSync } from 'node:zlib';

/** @param {Uint8Array} bytes what two equal files have in common, short enough to read in a failure */
export function digest(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * A PNG: a diagonal gradient from one colour to another.
 * @param {{ width?: number, height?: number, from?: number[], to?: number[] }} [options]
 */
export function png({ width = 160, height = 120, from = [20, 60, 120], to = [250, 190, 90] } = {}) {
  const rows = Buffer.alloc(height * (1 + width * 3));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const share = (x / width + y / height) / 2;
      // Every row begins with its filter, which is 0: none.
      const at = y * (1 + width * 3) + 1 + x * 3;
      for (let channel = 0; channel < 3; channel++) rows[at + channel] = from[channel] + share * (to[channel] - from[channel]);
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, pngChunk('IHDR', header), pngChunk('IDAT', deflateSync(rows)), pngChunk('IEND', Buffer.alloc(0))]);
}

/** @param {string} type @param {Buffer} data */
function pngChunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const chunk = Buffer.alloc(8 + body.length);
  chunk.writeUInt32BE(data.length, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body) >>> 0, 4 + body.length);
  return chunk;
}

/**
 * A PDF of one page with one line of text, and a cross-reference table that is right.
 * @param {string} text without brackets or backslashes
 */
export function pdf(text = 'Quarterly report') {
  const content = `BT /F1 24 Tf 72 720 Td (${text}) Tj ET`;
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>',
    `<< /Length ${content.length} >>\nstream\n${content}\nendstream`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
  ];
  let file = '%PDF-1.4\n';
  const offsets = objects.map((object, index) => {
    const offset = file.length;
    file += `${index + 1} 0 obj\n${object}\nendobj\n`;
    return offset;
  });
  const rows = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('');
  const trailer = `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${file.length}\n%%EOF\n`;
  return Buffer.from(`${file}xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${rows}${trailer}`, 'latin1');
}

/**
 * An MP4 of the wanted size whose media data is noise, so that no two are alike and none can be compressed.
 * @param {number} [size] in bytes
 */
export function mp4(size = 50_000) {
  const type = mp4Box('ftyp', Buffer.from('isom\0\0\x02\0isomiso2mp41', 'latin1'));
  const index = mp4Box('moov', mp4Box('mvhd', Buffer.concat([Buffer.alloc(12), uint32(1000), uint32(4000), Buffer.alloc(80)])));
  return Buffer.concat([type, index, mp4Box('mdat', randomBytes(size - type.length - index.length - 8))]);
}

/** @param {string} type @param {Buffer} content */
function mp4Box(type, content) {
  return Buffer.concat([uint32(8 + content.length), Buffer.from(type, 'latin1'), content]);
}

/** @param {number} value */
function uint32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Something that is neither picture nor film. @param {string} [text] */
export function note(text = 'What was agreed: nothing is kept that nobody needs.\n') {
  return Buffer.from(text, 'utf8');
}
