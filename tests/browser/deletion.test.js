/** Deleting what was uploaded. */

import assert from 'node:assert/strict';

import { mp4, note, png } from '../support/files.js';
import { browserTest } from './harness.js';

browserTest('a file is deleted after a question, by keyboard, and is gone the second time', async (desk) => {
  await desk.visit();
  await desk.choose({ 'gradient.png': png() });
  await desk.submit();
  const card = await desk.until('gradient.png', 'done');
  const url = await card.getByTestId('open').getAttribute('href');
  const publicId = await card.getByTestId('public-id').innerText();

  await card.getByTestId('delete').focus();
  await desk.page.keyboard.press('Enter');
  await desk.hook('confirm-dialog').waitFor();
  await desk.reads(desk.hook('confirm-name'), 'gradient.png');
  assert.equal(await desk.focus(), 'confirm-cancel', 'the harmless answer has the focus');
  await desk.page.keyboard.press('Escape');
  await desk.hook('confirm-dialog').waitFor({ state: 'hidden' });
  assert.equal(await desk.focus(), 'delete', 'the focus is back where it was');
  assert.equal((await desk.fetchBytes(url)).status, 200, 'nothing was deleted');

  await desk.page.keyboard.press('Enter');
  await desk.hook('confirm-dialog').waitFor();
  await desk.page.keyboard.press('Tab');
  assert.equal(await desk.focus(), 'confirm-delete');
  await desk.page.keyboard.press('Enter');
  await desk.until('gradient.png', 'deleted');
  await desk.reads(card.getByTestId('outcome'), 'Deleted from storage.');
  assert.equal(await card.getByTestId('outcome').getAttribute('data-outcome'), 'deleted');
  assert.equal(await desk.focus(), 'outcome');

  assert.equal((await desk.fetchBytes(url)).status, 404);
  const second = await desk.deleteThroughApi([{ type: 'image', url }]);
  assert.deepEqual(second.data.results, [{ url, publicId, outcome: 'not_found' }]);
});

for (const [name, bytes] of /** @type {const} */ ([['passport.png', png()], ['salary.txt', note()], ['film.mp4', mp4()]])) {
  browserTest(`a private file is deleted as well: ${name}`, async (desk) => {
    await desk.visit();
    await desk.switchToPrivate();
    await desk.choose({ [name]: bytes });
    await desk.submit();
    const card = await desk.until(name, 'done');
    assert.equal((await desk.server.emulator.assets()).length, 1);
    await card.getByTestId('delete').click();
    await desk.hook('confirm-delete').click();
    await desk.until(name, 'deleted');
    await desk.reads(card.getByTestId('outcome'), 'Deleted from storage.');
    assert.deepEqual(await desk.server.emulator.assets(), []);
  });
}

browserTest('a file that somebody else has deleted is reported as already gone', async (desk) => {
  await desk.visit();
  await desk.choose({ 'gradient.png': png() });
  await desk.submit();
  const card = await desk.until('gradient.png', 'done');
  await desk.deleteThroughApi([{ type: 'image', url: await card.getByTestId('open').getAttribute('href') }]);
  await card.getByTestId('delete').click();
  await desk.hook('confirm-delete').click();
  await desk.until('gradient.png', 'deleted');
  assert.equal(await card.getByTestId('outcome').getAttribute('data-outcome'), 'not_found');
});

browserTest('a deletion that the provider refuses is shown, and can be tried again', async (desk) => {
  desk.expect(/status of 502/);
  await desk.visit();
  await desk.choose({ 'gradient.png': png() });
  await desk.submit();
  const card = await desk.until('gradient.png', 'done');
  const body = JSON.stringify({ error: { message: 'api_secret mismatch' } });
  await desk.server.emulator.setFaults({ method: 'DELETE', path: '/resources/', status: 401, body, times: 1 });
  await card.getByTestId('delete').click();
  await desk.hook('confirm-delete').click();
  await desk.reads(card.getByTestId('outcome'), /^Not deleted: .+ Try again\.$/);
  assert.equal(await card.getAttribute('data-state'), 'done');
  assert.equal((await desk.server.emulator.assets()).length, 1);

  await card.getByTestId('delete').click();
  await desk.hook('confirm-delete').click();
  await desk.until('gradient.png', 'deleted');
  assert.deepEqual(await desk.server.emulator.assets(), []);
});
