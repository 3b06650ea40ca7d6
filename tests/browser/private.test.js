/** Private files: no open address, links that die. */

import assert from 'node:assert/strict';

import { digest, note, pdf, png } from '../support/files.js';
import { browserTest } from './harness.js';

browserTest('a private picture opens through a link for a minute, and not otherwise', async (desk) => {
  await desk.page.clock.install();
  await desk.visit();
  const picture = png();
  await desk.switchToPrivate();
  await desk.choose({ 'passport.png': picture });
  await desk.submit();
  const card = await desk.until('passport.png', 'done');
  assert.equal(await card.getByTestId('delivery-type').getAttribute('data-type'), 'private');
  assert.equal(await card.getByTestId('open').isVisible(), false, 'there is no address to open');

  const [asset] = await desk.server.emulator.assets();
  assert.equal(asset.type, 'private');
  const plain = await desk.fetchBytes(asset.secure_url);
  assert.equal(plain.status, 401, 'its plain address is refused');

  const link = await desk.getDownloadLink(card);
  const alive = await desk.fetchBytes(link);
  assert.deepEqual([alive.status, digest(alive.bytes)], [200, digest(picture)]);
  await desk.reads(card.getByTestId('countdown'), /^(1:00|0:5\d)$/);

  await desk.page.clock.fastForward(30_000);
  await desk.reads(card.getByTestId('countdown'), /^0:(30|2\d)$/);
  await desk.page.clock.fastForward(31_000);
  await desk.server.emulator.advanceClock(61);
  await card.getByTestId('dead-mark').waitFor();
  assert.equal(await card.getByTestId('link-panel').getAttribute('data-state'), 'dead');
  assert.equal(await card.getByTestId('download-link').isVisible(), false);
  await desk.reads(card.getByTestId('dead-link'), link);
  await desk.reads(desk.hook('live-region'), /link for passport\.png has expired/);
  const dead = await desk.fetchBytes(link);
  assert.ok(dead.status >= 400 && dead.status < 500, `the provider refuses it as well: ${dead.status}`);
});

browserTest('a dead link is replaced by a new one that works', async (desk) => {
  await desk.page.clock.install();
  await desk.visit();
  await desk.switchToPrivate();
  await desk.choose({ 'contract.pdf': pdf() });
  await desk.submit();
  const card = await desk.until('contract.pdf', 'done');
  await desk.getDownloadLink(card);
  await desk.page.clock.fastForward(61_000);
  await card.getByTestId('dead-mark').waitFor();

  await desk.reads(card.getByTestId('download-link-button'), /Get a new link/);
  const answer = await desk.fetchBytes(await desk.getDownloadLink(card));
  assert.deepEqual([answer.status, digest(answer.bytes)], [200, digest(pdf())]);
  assert.equal(await card.getByTestId('dead-mark').isVisible(), false);
});

browserTest('a private text file opens through a link as well', async (desk) => {
  await desk.visit();
  await desk.switchToPrivate();
  await desk.choose({ 'salary.txt': note() });
  await desk.submit();
  const card = await desk.until('salary.txt', 'done');
  const answer = await desk.fetchBytes(await desk.getDownloadLink(card));
  assert.deepEqual([answer.status, answer.bytes.toString()], [200, note().toString()]);
});

browserTest('a link that was changed is refused', async (desk) => {
  await desk.visit();
  await desk.switchToPrivate();
  await desk.choose({ 'passport.png': png() });
  await desk.submit();
  const card = await desk.until('passport.png', 'done');
  const link = new URL(await desk.getDownloadLink(card));
  link.searchParams.set('expires_at', String(Number(link.searchParams.get('expires_at')) + 3600));
  assert.equal((await desk.fetchBytes(link.href)).status, 401);
});

browserTest('the switch decides for files that wait, and no longer for those that are sent', async (desk) => {
  await desk.visit();
  await desk.choose({ 'open.png': png() });
  await desk.submit();
  await desk.until('open.png', 'done');
  await desk.choose({ 'closed.png': png() });
  await desk.switchToPrivate();
  await desk.reads(desk.item('closed.png').getByTestId('delivery-type'), 'Private');
  await desk.submit();
  await desk.until('closed.png', 'done');
  const types = (await desk.server.emulator.assets()).map(({ original_filename, type }) => `${original_filename}: ${type}`);
  assert.deepEqual(types.sort(), ['closed: private', 'open: upload']);
  assert.equal(await desk.item('open.png').getByTestId('delivery-type').getAttribute('data-type'), 'upload');
});
