/** A profile whose grants the server keeps: used once, held to a size, counted against quotas. */

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';

import { digest, note, png } from '../support/files.js';
import { browserTest } from './harness.js';

const JWT_SECRET = 'only-for-tests-and-long-enough-to-be-a-key';
const DESKTOP = { locale: 'en-GB', timezoneId: 'UTC' };

/** @param {string} keys beside those that all of them have */
const profiles = (keys) => `[profiles.default]\nscopes = []\nexpires_in = "5m"\n${keys}\n`;
const COUNTED = profiles('folder = "papers"\nmax_bytes = "20KB"\nquota = { uploads = "2/month", bytes = "1MB/month" }');
const OWN_FOLDER = profiles('folder = "papers/{sub}"\nsingle_use = true');

/** A picture of a few hundred bytes, and a text that is larger than the profile takes. */
const SMALL = png();
const LARGE = note('too much '.repeat(4000));

browserTest('an upload takes from the quota, and its grant is shown as used', async (desk) => {
  await desk.visit();
  await desk.reads(desk.hook('folder'), 'papers');
  await desk.reads(desk.hook('folder-owner'), 'shared by all callers');
  await desk.reads(desk.hook('max-bytes'), '20 kB at most');
  await desk.reads(quota(desk, 'uploads'), /2 uploads a month$/);
  await desk.reads(quota(desk, 'bytes'), /1 MB a month$/);
  await desk.reads(desk.hook('grants-empty'), 'None yet: the first signature brings one.');

  await desk.choose({ 'passport.png': SMALL });
  await desk.submit();
  const card = await desk.until('passport.png', 'done');
  await desk.reads(card.getByTestId('grant'), /^Grant used/);
  await desk.reads(quota(desk, 'uploads').getByTestId('quota-left'), '1 of 2 left');
  await desk.reads(quota(desk, 'bytes').getByTestId('quota-left'), /^980 kB of 1\.0 MB left$/);
  await desk.reads(quota(desk, 'uploads').getByTestId('quota-reset'), /^resets 1 \w+, 00:00, in \d+ \w+/);

  const row = await grantRow(desk, 'used');
  await desk.reads(row.getByTestId('grant-row-name'), await card.getByTestId('public-id').innerText());
  await desk.reads(row.getByTestId('grant-row-meta'), /B · png · \d\d:\d\d$/);
  await card.getByTestId('delete').click();
  await desk.hook('confirm-delete').click();
  await desk.until('passport.png', 'deleted');
  await desk.reads(row.getByTestId('grant-row-meta'), /deleted \d\d:\d\d$/);
}, DESKTOP, { profiles: COUNTED });

browserTest('a file that is too large is deleted again, and the page says why', async (desk) => {
  await desk.visit();
  await desk.choose({ 'novel.txt': LARGE });
  await desk.submit();
  const card = await desk.until('novel.txt', 'failed');
  await desk.reads(card.getByTestId('state'), 'Rejected');
  await desk.reads(card.getByTestId('error-message'), /deleted by the server\. The file has 36000 bytes, and the profile takes 20000 at most\.$/);
  await desk.reads(card.getByTestId('grant'), /^Grant rejected/);
  assert.equal(await card.getByTestId('retry').isVisible(), false, 'the same file would be rejected again');
  assert.equal(await card.getByTestId('remove').isVisible(), true);
  assert.deepEqual(await desk.server.emulator.assets(), [], 'it is gone from storage');
  const row = await grantRow(desk, 'rejected');
  await desk.reads(row.getByTestId('grant-row-reason'), /^The file has 36000 bytes/);
  await desk.reads(desk.hook('live-region'), /novel\.txt failed\. .* 36000 bytes/);
}, DESKTOP, { profiles: COUNTED });

browserTest('the upload over the quota is refused at once, with the time of the next period', async (desk) => {
  desk.expect(/status of 429/);
  let asked = 0;
  desk.page.on('request', (request) => { if (request.url().endsWith('/upload-signature')) asked += 1; });
  await desk.visit();
  await desk.choose({ 'first.png': SMALL, 'second.png': SMALL });
  await desk.submit();
  await desk.until('first.png', 'done');
  await desk.until('second.png', 'done');
  await desk.reads(quota(desk, 'uploads').getByTestId('quota-left'), '0 of 2 left');

  await desk.choose({ 'third.png': SMALL });
  await desk.submit();
  const card = await desk.until('third.png', 'failed');
  await desk.reads(card.getByTestId('error-message'), /^The quota of 2 uploads for the profile `default` is used up .*\. That is at 1 \w+, 00:00, in \d+ \w+.*\.$/);
  await desk.reads(card.getByTestId('error-detail'), /^quota_exceeded · HTTP 429/);
  assert.equal(asked, 3, 'nobody asks again before the next period');
  assert.equal((await desk.server.emulator.assets()).length, 2);
}, DESKTOP, { profiles: COUNTED });

browserTest('an upload that is sent once more makes no second asset and changes none', async (desk) => {
  // The browser does not show tests the body of an upload, so the form is written down while it is filled in.
  await desk.page.addInitScript(() => {
    const append = FormData.prototype.append;
    const sent = /** @type {Record<string, string>} */ ({});
    FormData.prototype.append = function keep(name, value, ...rest) {
      sent[name] = String(value);
      return append.call(this, name, value, ...rest);
    };
    Object.assign(window, { sent });
  });
  const request = desk.page.waitForRequest((each) => each.method() === 'POST' && each.url().endsWith('/upload'));
  await desk.visit();
  await desk.choose({ 'passport.png': SMALL });
  await desk.submit();
  const card = await desk.until('passport.png', 'done');
  const address = /** @type {string} */ (await card.getByTestId('open').getAttribute('href'));

  const form = new FormData();
  const sent = await desk.page.evaluate(() => /** @type {any} */ (window).sent);
  for (const [name, value] of Object.entries(sent)) form.set(name, String(value));
  form.set('file', new Blob([png({ from: [0, 0, 0], to: [255, 0, 0] })]), 'forgery.png');
  const answer = await fetch((await request).url(), { method: 'POST', body: form });
  assert.deepEqual([answer.status, (await answer.json()).existing], [200, true]);
  assert.equal((await desk.server.emulator.assets()).length, 1);
  assert.equal(digest((await desk.fetchBytes(address)).bytes), digest(SMALL));
}, DESKTOP, { profiles: COUNTED });

browserTest('a server that cannot be told leaves the upload done, and finds out by itself', async (desk) => {
  desk.expect(/status of 503/);
  await desk.visit();
  let told = 0;
  await desk.page.route('**/uploads/*/confirm', (route) => {
    told += 1;
    return route.fulfill({ status: 503, json: { status: 'failed', code: 'ledger_unreachable', message: 'the ledger cannot be reached' } });
  });
  await desk.choose({ 'passport.png': SMALL });
  await desk.submit();
  const card = desk.item('passport.png');
  await card.getByTestId('speed').getByText('A hiccup on the other side').waitFor();
  assert.equal(await card.getByTestId('cancel').isVisible(), false, 'what is stored is not cancelled any more');
  await desk.until('passport.png', 'done');
  assert.equal(told, 5, 'it was tried again');
  await desk.reads(card.getByTestId('grant'), /^Grant issued\s+the server could not be told, and will find out by itself$/);
  // The emulator reports each upload, as the provider does where it can reach the server.
  await desk.hook('grants-refresh').click();
  await grantRow(desk, 'used');
  assert.equal((await desk.server.emulator.assets()).length, 1);
}, DESKTOP, { profiles: COUNTED });

browserTest('a token is asked for with every request, and again when it has run out', async (desk) => {
  desk.expect(/status of 401/);
  const now = Math.floor(Date.now() / 1000);
  const held = { token: token({ sub: 'alice', scope: 'delete', exp: now - 3600 }) };
  /** @type {boolean[]} */
  const asked = [];
  await desk.page.exposeFunction('sessionToken', (/** @type {{ refresh: boolean }} */ { refresh }) => {
    asked.push(refresh);
    if (refresh) held.token = token({ sub: 'alice', scope: 'delete', exp: now + 3600 });
    return held.token;
  });
  await desk.visit();
  await desk.reads(desk.hook('grants-empty'), /^The server wants to know who you are/);
  asked.length = 0;

  const told = await desk.page.evaluate(async () => {
    const path = '/static/countersign.js';
    /** @type {typeof import('../../static/countersign.js')} */
    const { createUploader } = await import(path);
    const uploader = createUploader({ getToken: /** @type {any} */ (window).sessionToken, headers: { 'X-Own': '1' } });
    const { asset, grant } = await uploader.upload(new File(['a letter'], 'letter.txt'));
    const { uploads } = await uploader.listUploads({ state: 'used' });
    const gone = await uploader.deleteUpload(uploads[0].uploadId);
    return { id: asset.public_id, state: grant?.state, listed: uploads.length, gone: gone.deletedAt !== null };
  });
  assert.match(told.id, /^papers\/alice\/[0-9a-f]{32}(\.txt)?$/);
  assert.deepEqual([told.state, told.listed, told.gone], ['used', 1, true]);
  assert.deepEqual(asked, [false, true, false, false, false], 'one for each request, and one more after the 401');
  assert.deepEqual(await desk.server.emulator.assets(), []);
}, DESKTOP, { profiles: OWN_FOLDER, env: { AUTH: 'jwt', JWT_SECRET } });

browserTest('the folder of a profile that gives each caller one is the caller’s own once something is signed', async (desk) => {
  // As behind a gateway that knows its users: every request to the server says whose it is.
  const authorization = `Bearer ${token({ sub: 'alice', exp: Math.floor(Date.now() / 1000) + 3600 })}`;
  await desk.page.route(`${desk.server.url}/**`, (route) => route.continue({ headers: { ...route.request().headers(), authorization } }));
  await desk.visit();
  await desk.reads(desk.hook('folder'), 'papers/{sub}');
  await desk.reads(desk.hook('folder-owner'), 'yours alone: {sub} is you');
  await desk.choose({ 'passport.png': SMALL });
  await desk.submit();
  await desk.until('passport.png', 'done');
  await desk.reads(desk.hook('folder'), 'papers/alice');
  assert.equal(await desk.hook('quota').count(), 0, 'a profile without quotas shows none');
  assert.equal(await desk.hook('max-bytes').count(), 0);
}, DESKTOP, { profiles: OWN_FOLDER, env: { AUTH: 'jwt', JWT_SECRET } });

browserTest('older grants are shown on request, and the focus goes to the first of them', async (desk) => {
  for (let count = 0; count < 12; count++) await fetch(`${desk.server.url}/upload-signature`);
  await desk.visit();
  await desk.hook('grant-row').nth(9).waitFor();
  assert.equal(await desk.hook('grant-row').count(), 10);
  await desk.hook('grants-more').focus();
  await desk.page.keyboard.press('Enter');
  await desk.hook('grant-row').nth(11).waitFor();
  assert.equal(await desk.hook('grants-more').isVisible(), false);
  assert.equal(await desk.focus(), 'grant-row');
  assert.equal(await desk.page.evaluate(() => [...document.querySelectorAll('.grant-row')].indexOf(/** @type {any} */ (document.activeElement))), 10);
  const ids = await desk.hook('grant-row-name').allInnerTexts();
  assert.equal(new Set(ids).size, 12);

  // Grants of one second are in no particular order.
  await desk.page.waitForTimeout(1100);
  const answer = await fetch(`${desk.server.url}/upload-signature`);
  const { uploadId } = (await answer.json()).data;
  await desk.hook('grants-refresh').click();
  await desk.reads(desk.hook('grant-row-name').first(), `papers/${uploadId}`);
  await desk.reads(desk.hook('grant-row-state').first(), 'Issued');
  assert.equal(await desk.hook('grant-row').count(), 12, 'as many are shown as before');
}, DESKTOP, { profiles: profiles('folder = "papers"\nsingle_use = true') });

for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
  browserTest(`a narrow ${colorScheme} screen shows quotas and grants without sideways scrolling`, async (desk) => {
    desk.expect(/status of 429/);
    await desk.visit();
    await desk.fits('empty');
    await desk.choose({ 'passport.png': SMALL, 'novel.txt': LARGE });
    await desk.submit();
    await desk.until('passport.png', 'done');
    await desk.until('novel.txt', 'failed');
    await grantRow(desk, 'used');
    await grantRow(desk, 'rejected');
    await desk.fits('used and rejected');
    await desk.choose({ 'second.png': SMALL, 'third.png': SMALL });
    await desk.submit();
    await desk.reads(desk.hook('summary'), /· 3 failed$/);
    await desk.fits('over the quota');
  }, { ...DESKTOP, viewport: { width: 360, height: 640 }, colorScheme }, { profiles: COUNTED });
}

browserTest('a profile without a ledger shows nothing of all this', async (desk) => {
  const paths = /** @type {string[]} */ ([]);
  desk.page.on('request', (request) => paths.push(new URL(request.url()).pathname));
  await desk.visit();
  await desk.choose({ 'gradient.png': SMALL });
  await desk.submit();
  const card = await desk.until('gradient.png', 'done');
  assert.equal(await card.getByTestId('grant').isVisible(), false);
  for (const hook of ['grants', 'quota', 'max-bytes', 'folder-owner']) assert.equal(await desk.hook(hook).count(), 0, hook);
  assert.ok(!paths.some((path) => /ledger|uploads/.test(path)), `${paths}`);
});

/** @param {import('./harness.js').Desk} desk @param {'uploads' | 'bytes'} measure */
function quota(desk, measure) {
  return desk.page.locator(`[data-testid="quota"][data-measure="${measure}"]`);
}

/**
 * Waits until the list shows a grant in a state.
 * @param {import('./harness.js').Desk} desk
 * @param {import('../../static/countersign.js').GrantState} state
 */
async function grantRow(desk, state) {
  const row = desk.page.locator(`[data-testid="grant-row"][data-state="${state}"]`).first();
  await row.waitFor();
  return row;
}

/** A token as an issuer would make it. @param {Record<string, unknown>} claims */
function token(claims) {
  const encode = (/** @type {object} */ part) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${text}.${createHmac('sha256', JWT_SECRET).update(text).digest('base64url')}`;
}
