/** The page itself: what it gives away, what it lets in, and whether everybody can use it. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

import { ACCOUNT } from '../support/server.js';
import { pdf, png } from '../support/files.js';
import { browserTest } from './harness.js';

browserTest('nothing secret reaches the browser', async (desk) => {
  /** @type {{ url: string, body: Promise<Buffer>, headers: Record<string, string> }[]} */
  const seen = [];
  desk.page.on('response', (response) => {
    seen.push({ url: response.url(), headers: response.headers(), body: response.body().catch(() => Buffer.alloc(0)) });
  });
  await desk.visit();
  await desk.switchToPrivate();
  await desk.choose({ 'gradient.png': png(), 'report.pdf': pdf() });
  await desk.submit();
  for (const name of ['gradient.png', 'report.pdf']) {
    const card = await desk.until(name, 'done');
    await desk.getDownloadLink(card);
    await card.getByTestId('delete').click();
    await desk.hook('confirm-delete').click();
    await desk.until(name, 'deleted');
  }

  const paths = new Set(seen.map(({ url }) => new URL(url).pathname));
  for (const path of ['/unsigned', '/static/demo.js', '/static/countersign.js', '/upload-signature', '/download-url', '/delete-files', '/v1_1/emulator/auto/upload']) {
    assert.ok(paths.has(path), `${path} was among what the page received: ${[...paths]}`);
  }
  for (const { url, headers, body } of seen) {
    const text = `${url}\n${JSON.stringify(headers)}\n${await body}`;
    assert.ok(!text.includes(ACCOUNT.secret), `${url} holds the secret`);
    assert.doesNotMatch(text, /["']?(api[_-]?secret|secret[_-]?key|client[_-]?secret)["']?\s*[:=]/i, `${url} names a secret`);
    if (headers['content-type']?.includes('json')) assert.doesNotMatch(text, /"[^"]*secret[^"]*"\s*:/i, url);
  }
  const kept = await desk.page.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length]);
  assert.deepEqual(kept, ['', 0, 0], 'nothing is kept in the browser');
  assert.ok(!(await desk.page.content()).includes(ACCOUNT.secret));
});

browserTest('the policy blocks scripts, styles, connections and frames that the page did not bring', async (desk) => {
  desk.expect(/Content Security Policy directive/);
  desk.allow(/violates the document's Content Security Policy/);
  await desk.visit();
  const blocked = await desk.page.evaluate(async () => {
    /** @type {string[]} */
    const directives = [];
    document.addEventListener('securitypolicyviolation', (event) => directives.push(event.effectiveDirective));
    const add = (/** @type {string} */ tag, /** @type {object} */ properties) => document.body.append(Object.assign(document.createElement(tag), properties));
    add('script', { textContent: 'window.intruded = true' });
    add('style', { textContent: 'body { display: none }' });
    add('iframe', { src: 'https://frame.invalid/' });
    await fetch('https://elsewhere.invalid/').catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 200));
    return { directives: directives.sort(), intruded: 'intruded' in window, display: getComputedStyle(document.body).display };
  });
  assert.deepEqual(blocked, {
    directives: ['connect-src', 'frame-src', 'script-src-elem', 'style-src-elem'], intruded: false, display: blocked.display,
  });
  assert.notEqual(blocked.display, 'none');
});

browserTest('no other page can put this one in a frame', async (desk) => {
  desk.expect(/frame-ancestors 'none'/);
  const stranger = createServer((_, response) => {
    response.setHeader('Content-Type', 'text/html').end(`<iframe src="${desk.server.url}/unsigned"></iframe>`);
  }).listen(0, '127.0.0.1');
  try {
    await once(stranger, 'listening');
    const { port } = /** @type {import('node:net').AddressInfo} */ (stranger.address());
    const complaint = desk.page.waitForEvent('console', (message) => message.text().includes('frame-ancestors'));
    await desk.page.goto(`http://127.0.0.1:${port}/`);
    await complaint;
    const [, frame] = desk.page.frames();
    assert.equal(await frame.locator('[data-testid="drop-zone"]').count(), 0);
  } finally {
    stranger.close();
  }
});

browserTest('what the page shows as signed is what the provider accepted', async (desk) => {
  // The browser does not show tests the body of an upload, so the form is written down while it is filled in.
  await desk.page.addInitScript(() => {
    const append = FormData.prototype.append;
    const sent = /** @type {Record<string, string>} */ ({});
    FormData.prototype.append = function note(name, value, ...rest) {
      sent[name] = String(value);
      return append.call(this, name, value, ...rest);
    };
    Object.assign(window, { sent });
  });
  await desk.visit();
  await desk.switchToPrivate();
  await desk.choose({ 'gradient.png': png() });
  await desk.submit();
  const card = await desk.until('gradient.png', 'done');
  await card.getByTestId('signed').locator('summary').click();
  const string = await card.getByTestId('string-to-sign').innerText();
  const signature = await card.getByTestId('signature').innerText();

  const timestamp = /timestamp=(\d+)/.exec(string)?.[1];
  assert.equal(string, `folder=kyc/1&timestamp=${timestamp}&type=private&use_filename=true`);
  assert.equal(createHash('sha1').update(string + ACCOUNT.secret).digest('hex'), signature);
  await desk.reads(card.getByTestId('algorithm'), 'SHA-1');
  const names = await card.getByTestId('signed-param').evaluateAll((rows) => rows.map((row) => row.dataset.name));
  assert.deepEqual(names, ['folder', 'timestamp', 'type', 'use_filename']);
  const explained = await card.getByTestId('signed-param').evaluateAll((rows) => rows.every((row) => row.lastElementChild.textContent !== ''));
  assert.ok(explained, 'every parameter has its reason');

  const { file, ...sent } = await desk.page.evaluate(() => /** @type {any} */ (window).sent);
  assert.equal(file, '[object File]');
  assert.deepEqual(sent, { ...Object.fromEntries(new URLSearchParams(string)), signature, api_key: ACCOUNT.key });
});

browserTest('the whole job is done by keyboard', async (desk) => {
  // Asked for before anything else: the browser needs a moment until it hands its dialog over.
  const chooser = desk.page.waitForEvent('filechooser');
  await desk.visit();
  const { keyboard } = desk.page;
  await tabTo(desk, 'drop-zone');
  await keyboard.press('Enter');
  await (await chooser).setFiles(desk.write({ 'passport.png': png() }));
  await tabTo(desk, 'private-switch');
  await keyboard.press('Space');
  assert.ok(await desk.hook('private-switch').isChecked());
  await tabTo(desk, 'submit');
  await keyboard.press('Enter');
  const card = await desk.until('passport.png', 'done');
  assert.equal(await card.getByTestId('delivery-type').getAttribute('data-type'), 'private');
  assert.equal(await desk.focus(), 'submit', 'the focus did not jump');

  await tabTo(desk, 'download-link-button');
  await keyboard.press('Enter');
  await card.getByTestId('download-link').waitFor();
  await tabTo(desk, 'download-link', 'Shift+Tab');
  const [tab] = await Promise.all([desk.context.waitForEvent('page'), keyboard.press('Enter')]);
  await tab.close();
  await tabTo(desk, 'delete');
  await keyboard.press('Enter');
  await tabTo(desk, 'confirm-delete');
  await keyboard.press('Enter');
  await desk.until('passport.png', 'deleted');
  await tabTo(desk, 'remove');
  await keyboard.press('Enter');
  await card.waitFor({ state: 'detached' });
  assert.equal(await desk.focus(), 'drop-zone', 'the focus is where the next job begins');
});

/**
 * Presses Tab until the wanted element has the focus, which must be visible on every element on the way.
 * @param {import('./harness.js').Desk} desk
 * @param {string} hook
 */
async function tabTo(desk, hook, key = 'Tab') {
  const way = [];
  for (let presses = 0; presses < 30; presses++) {
    await desk.page.keyboard.press(key);
    way.push(await desk.focus());
    if (way.at(-1) === hook) return;
  }
  assert.fail(`${hook} cannot be reached: ${way}`);
}

for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
  browserTest(`a narrow ${colorScheme} screen shows everything without sideways scrolling`, async (desk) => {
    desk.expect(/status of 400/);
    await desk.visit();
    await desk.fits('empty');
    const long = `${'a-name-that-nobody-would-choose-'.repeat(5)}.png`;
    const body = JSON.stringify({ error: { message: `Something${'-long'.repeat(40)}` } });
    await desk.switchToPrivate();
    await desk.choose({ [long]: png(), 'small.png': png() });
    await desk.fits('queued');
    await desk.submit();
    const card = await desk.until(long, 'done');
    await desk.until('small.png', 'done');
    await desk.getDownloadLink(card);
    await card.getByTestId('signed').locator('summary').click();
    await desk.fits('done');
    await desk.server.emulator.setFaults({ method: 'POST', path: '/upload', status: 400, body, times: 1 });
    await desk.choose({ 'refused.png': png() });
    await desk.submit();
    await desk.until('refused.png', 'failed');
    await desk.fits('failed');
    await card.getByTestId('delete').click();
    await desk.fits('asked');
    await desk.hook('confirm-cancel').click();
  }, { viewport: { width: 320, height: 640 }, colorScheme });
}

browserTest('the page says that the emulator keeps everything on this machine', async (desk) => {
  await desk.visit();
  await desk.reads(desk.hook('emulator-notice'), /Nothing leaves this machine/);
  await desk.reads(desk.hook('cloud'), ACCOUNT.cloud);
  await desk.reads(desk.hook('folder'), 'kyc/1');
  assert.equal((await desk.page.request.get(`${desk.server.url}/`)).url(), `${desk.server.url}/unsigned`);
});
