/** When something goes wrong: cancelled, refused, unreachable; and how it goes on. */

import assert from 'node:assert/strict';

import { digest, mp4, png } from '../support/files.js';
import { startServer } from '../support/server.js';
import { browserTest } from './harness.js';

browserTest('an upload is cancelled on its way, leaves nothing behind, and is retried', async (desk) => {
  await desk.visit();
  const film = mp4(4_000_000);
  const network = await desk.slowDown(400_000);
  await desk.choose({ 'film.mp4': film });
  await desk.submit();
  const card = await desk.until('film.mp4', 'uploading');
  await desk.reads(card.getByTestId('amount'), /^(?!0 B)[\d.]+ [kM]?B of 4\.0 MB$/);
  await card.getByTestId('cancel').click();
  await desk.until('film.mp4', 'cancelled');
  assert.deepEqual(await desk.server.emulator.assets(), []);
  assert.equal(await card.getByTestId('progress').isVisible(), false);

  await network.full();
  await card.getByTestId('retry').click();
  await desk.until('film.mp4', 'done');
  const answer = await desk.fetchBytes(await card.getByTestId('open').getAttribute('href'));
  assert.equal(digest(answer.bytes), digest(film));
  assert.equal((await desk.server.emulator.assets()).length, 1);
});

browserTest('what the provider says when it refuses is shown, and a retry works', async (desk) => {
  desk.expect(/status of 400/);
  await desk.visit();
  const body = JSON.stringify({ error: { message: 'Image file format png not allowed' } });
  await desk.server.emulator.setFaults({ method: 'POST', path: '/upload', status: 400, body, times: 1 });
  await desk.choose({ 'gradient.png': png() });
  await desk.submit();
  const card = await desk.until('gradient.png', 'failed');
  await desk.reads(card.getByTestId('error-message'), 'The emulator refused the file: Image file format png not allowed.');
  await desk.reads(card.getByTestId('error-detail'), /provider_refused · HTTP 400/);
  await desk.reads(desk.hook('summary'), '0 of 1 uploaded · 1 failed');

  await card.getByTestId('retry').click();
  await desk.until('gradient.png', 'done');
  assert.equal(await card.getByTestId('error').isVisible(), false);
});

browserTest('a provider that is out of order for a moment is tried again without anybody noticing', async (desk) => {
  desk.expect(/status of 503/, /status of 429/);
  await desk.visit();
  const upload = { method: 'POST', path: '/upload', times: 1 };
  await desk.server.emulator.setFaults({ ...upload, status: 503 }, { ...upload, status: 429, retry_after: 1 });
  await desk.choose({ 'gradient.png': png() });
  await desk.submit();
  await desk.until('gradient.png', 'done');
});

browserTest('a server that goes down in the middle of an upload is named, and a retry works once it is back', async (desk) => {
  desk.expect(/ERR_/);
  await desk.visit();
  await desk.slowDown(400_000);
  await desk.choose({ 'film.mp4': mp4(4_000_000) });
  await desk.submit();
  const card = await desk.until('film.mp4', 'uploading');
  await desk.reads(card.getByTestId('amount'), /^(?!0 B)[\d.]+ [kM]?B of 4\.0 MB$/);

  const { port, emulatorPort } = desk.server;
  await desk.server.stop();
  await desk.until('film.mp4', 'failed', 40_000);
  await desk.reads(card.getByTestId('error-message'), /^The connection to the emulator broke off\. Check your network/);

  desk.server = await startServer({ port, emulatorPort });
  await card.getByTestId('retry').click();
  await desk.until('film.mp4', 'done', 30_000);
});

browserTest('a signing server that does not answer is named with its address', async (desk) => {
  desk.expect(/ERR_CONNECTION_REFUSED/);
  await desk.visit();
  const { port, emulatorPort } = desk.server;
  await desk.server.stop();
  await desk.choose({ 'gradient.png': png() });
  await desk.submit();
  const card = await desk.until('gradient.png', 'failed', 40_000);
  await desk.reads(card.getByTestId('error-message'), new RegExp(`signing server at 127\\.0\\.0\\.1:${port} did not answer`));
  await desk.reads(desk.hook('live-region'), /gradient\.png failed/);

  desk.server = await startServer({ port, emulatorPort });
  await card.getByTestId('retry').click();
  await desk.until('gradient.png', 'done');
});

browserTest('a browser that is offline says so, and goes on when the connection is back', async (desk) => {
  desk.expect(/ERR_INTERNET_DISCONNECTED/);
  await desk.visit();
  await desk.choose({ 'gradient.png': png() });
  await desk.context.setOffline(true);
  await desk.submit();
  const card = desk.item('gradient.png');
  await desk.reads(card.getByTestId('speed'), /You are offline/);
  await desk.context.setOffline(false);
  await desk.until('gradient.png', 'done');
});

browserTest('one file that fails does not hold up the others', async (desk) => {
  desk.expect(/status of 400/);
  await desk.visit();
  await desk.server.emulator.setFaults({ method: 'POST', path: '/upload', status: 400, times: 1 });
  const names = ['a.png', 'b.png', 'c.png', 'd.png', 'e.png'];
  await desk.choose(Object.fromEntries(names.map((name) => [name, png()])));
  await desk.submit();
  await desk.reads(desk.hook('summary'), '4 of 5 uploaded · 1 failed');
  assert.equal((await desk.server.emulator.assets()).length, 4);
});
