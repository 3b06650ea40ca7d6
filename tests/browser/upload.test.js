/** Choosing files, uploading them, and what is there afterwards. */

import assert from 'node:assert/strict';

import { digest, mp4, note, pdf, png } from '../support/files.js';
import { browserTest } from './harness.js';
import { jpeg } from './pictures.js';

browserTest('two pictures and a document are uploaded, and each opens under its own address', async (desk) => {
  await desk.visit();
  const files = { 'hills.jpg': await jpeg(desk), 'gradient.png': png(), 'report.pdf': pdf() };
  await desk.choose(files);
  await desk.reads(desk.hook('submit'), 'Upload 3 files');
  assert.equal(await desk.hook('submit').getAttribute('aria-disabled'), 'false');

  await desk.submit();
  for (const [name, bytes] of Object.entries(files)) {
    const card = await desk.until(name, 'done');
    assert.match(await card.getByTestId('public-id').innerText(), /^kyc\/1\/(hills|gradient|report)_\w{6}$/);
    assert.equal(await card.getByTestId('delivery-type').getAttribute('data-type'), 'upload');
    const answer = await desk.fetchBytes(await card.getByTestId('open').getAttribute('href'));
    assert.deepEqual([answer.status, digest(answer.bytes)], [200, digest(bytes)], name);
  }
  await desk.reads(desk.hook('summary'), '3 of 3 uploaded');
  await desk.reads(desk.item('gradient.png').getByTestId('meta'), /160 × 120/);
  await desk.reads(desk.hook('live-region'), /hills\.jpg uploaded\./);
});

browserTest('the Open link shows the picture in a tab of its own', async (desk) => {
  await desk.visit();
  await desk.choose({ 'gradient.png': png() });
  await desk.submit();
  const card = await desk.until('gradient.png', 'done');

  const [tab] = await Promise.all([desk.context.waitForEvent('page'), card.getByTestId('open').click()]);
  await tab.waitForLoadState();
  assert.equal(tab.url(), await card.getByTestId('open').getAttribute('href'));
  assert.deepEqual(await tab.evaluate(() => [document.images[0].naturalWidth, document.images[0].naturalHeight]), [160, 120]);
  assert.equal(await tab.evaluate(() => window.opener), null);
});

browserTest('files dropped on the page are queued, and a folder among them is named and left out', async (desk) => {
  await desk.visit();
  const dropped = [...desk.write({ 'left.png': png(), 'right.png': png() }), desk.makeFolder('holidays')];
  const zone = await desk.hook('drop-zone').boundingBox();
  const session = await desk.context.newCDPSession(desk.page);
  for (const type of ['dragEnter', 'dragOver', 'drop']) {
    const data = { items: [], files: dropped, dragOperationsMask: 1 };
    await session.send('Input.dispatchDragEvent', { type, x: zone.x + 40, y: zone.y + 40, data });
  }
  await desk.reads(desk.hook('submit'), 'Upload 2 files');
  await desk.reads(desk.hook('notice'), /Folders are left out \(holidays\)/);

  await desk.submit();
  await desk.until('left.png', 'done');
  await desk.until('right.png', 'done');
});

browserTest('an empty file is left out and named, and there is nothing to submit', async (desk) => {
  await desk.visit();
  await desk.choose({ 'empty.txt': Buffer.alloc(0) });
  await desk.reads(desk.hook('notice'), /nothing in it: empty\.txt/);
  assert.equal(await desk.hook('item').count(), 0);
  assert.equal(await desk.hook('submit').getAttribute('aria-disabled'), 'true');
  // A keyboard can press it all the same.
  await desk.hook('submit').press('Enter');
  await desk.reads(desk.hook('live-region'), /nothing to upload yet/);
  assert.deepEqual(await desk.server.emulator.requests(), []);
});

browserTest('a text file is stored raw and keeps its extension in its public id', async (desk) => {
  await desk.visit();
  await desk.choose({ 'minutes of May.txt': note() });
  await desk.submit();
  const card = await desk.until('minutes of May.txt', 'done');
  assert.match(await card.getByTestId('public-id').innerText(), /\.txt$/);
  await desk.reads(card.getByTestId('resource-type'), /^raw/);
  const answer = await desk.fetchBytes(await card.getByTestId('open').getAttribute('href'));
  assert.deepEqual([answer.status, answer.bytes.toString()], [200, note().toString()]);
});

browserTest('progress is shown while a file is on its way', async (desk) => {
  await desk.visit();
  await desk.slowDown(1_500_000);
  await desk.choose({ 'film.mp4': mp4(3_000_000) });
  await desk.submit();
  const card = await desk.until('film.mp4', 'uploading');

  /** @type {{ share: number, amount: string }[]} */
  const seen = [];
  while ((await card.getAttribute('data-state')) === 'uploading') {
    const [value, amount] = await card.evaluate((element) => [
      element.querySelector('progress').getAttribute('value'), element.querySelector('[data-testid="amount"]').textContent,
    ]);
    if (value !== null && Number(value) !== seen.at(-1)?.share) seen.push({ share: Number(value), amount });
    await desk.page.waitForTimeout(20);
  }
  await desk.until('film.mp4', 'done');
  const shares = seen.map(({ share }) => share);
  assert.ok(shares.some((share) => share > 5 && share < 95), `it was seen half done: ${shares}`);
  assert.deepEqual(shares, [...shares].sort((a, b) => a - b), 'it only ever grows');
  assert.match(seen.find(({ share }) => share > 5).amount, /^[\d.]+ [kM]B of 3\.0 MB$/);
});

browserTest('a large film goes in parts, and lost ones are sent again', async (desk) => {
  desk.expect(/status of 503/);
  // A connection that breaks off is sometimes replaced by the browser itself, which then says nothing.
  desk.allow(/ERR_EMPTY_RESPONSE|ERR_CONNECTION/);
  await desk.visit();
  const film = mp4(45_000_000);
  // Each fault befalls one request: the first part passes, the second is refused, its repetition is cut off.
  const part = { method: 'POST', path: '/upload', times: 1 };
  await desk.server.emulator.setFaults({ ...part, delay_ms: 1 }, { ...part, status: 503 }, { ...part, reset: true });
  await desk.choose({ 'film.mp4': film });
  await desk.submit();

  const card = await desk.until('film.mp4', 'done', 60_000);
  const answer = await desk.fetchBytes(await card.getByTestId('open').getAttribute('href'));
  assert.deepEqual([answer.status, answer.bytes.length, digest(answer.bytes)], [200, film.length, digest(film)]);
  const uploads = (await desk.server.emulator.requests()).filter(({ method, path }) => method === 'POST' && path.endsWith('/upload'));
  assert.deepEqual(uploads.map(({ status }) => status ?? 'cut off'), [200, 503, 'cut off', 200, 200]);
  assert.equal((await desk.server.emulator.assets()).length, 1);
});
