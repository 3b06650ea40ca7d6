/** Pages of other origins, in a browser on the server's own machine: what they get is nothing. */

import assert from 'node:assert/strict';

import { png } from '../support/files.js';
import { browserTest } from './harness.js';

/** What a page may try. */
const ATTEMPTS = [
  ['GET', '/upload-signature'],
  ['GET', '/download-url?public_id=a&format=jpg'],
  ['DELETE', '/delete-files', '{"urls":[{"type":"image","url":"https://res.cloudinary.com/emulator/image/upload/a.png"}]}'],
  ['POST', '/explain', '{"text":"timestamp=1720000000"}'],
  ['GET', '/uploads'],
  ['GET', '/uploadcare-signature'],
];

/**
 * Opens a page of somebody else's at an address that leads to this machine. The page itself comes from the test: it was
 * loaded before its name was pointed here.
 * @param {import('./harness.js').Desk} desk
 * @param {string} origin
 */
async function openForeignPage(desk, origin) {
  desk.allow(/421|403|CORS|ERR_|Failed to load/);
  await desk.page.route(`${origin}/page`, (route) => route.fulfill({ contentType: 'text/html', body: '<title>foreign</title>' }));
  await desk.page.goto(`${origin}/page`);
}

/**
 * What the page gets to read: status and body, or nothing.
 * @param {import('./harness.js').Desk} desk
 * @param {string} base
 */
const attempt = (desk, base) => desk.page.evaluate(async ({ base, attempts }) => {
  const seen = [];
  for (const [method, path, body] of attempts) {
    try {
      const response = await fetch(base + path, { method, body, headers: body ? { 'Content-Type': 'application/json' } : {} });
      seen.push({ path, status: response.status, body: await response.text() });
    } catch {
      seen.push({ path, status: 0, body: '' });
    }
  }
  return seen;
}, { base, attempts: ATTEMPTS });

browserTest('a page whose name was pointed at this machine gets nothing from the service', async (desk) => {
  const origin = `http://evil.test:${desk.server.port}`;
  await openForeignPage(desk, origin);
  for (const { path, status, body } of await attempt(desk, '')) {
    assert.equal(status, 421, `${path}: ${body}`);
    assert.equal(JSON.parse(body).code, 'host_not_allowed', path);
  }
});

browserTest('a page of another origin can neither read nor cause anything', async (desk) => {
  await openForeignPage(desk, 'http://evil.test:9');
  for (const { path, status, body } of await attempt(desk, desk.server.url)) assert.equal(status, 0, `${path}: ${body}`);
  // What a page sends without reading the answer: pictures, forms, requests without CORS.
  await desk.page.evaluate(async (url) => {
    for (let n = 0; n < 5; n += 1) {
      const image = new Image();
      const done = new Promise((resolve) => { image.onload = resolve; image.onerror = resolve; });
      image.src = `${url}/upload-signature?profile=default${'&'.repeat(n)}`;
      await done;
      await fetch(`${url}/upload-signature`, { mode: 'no-cors', cache: 'no-store' }).catch(() => {});
    }
  }, desk.server.url);
  const response = await fetch(`${desk.server.url}/upload-signature`);
  const { data } = await response.json();
  assert.deepEqual([response.status, data.quota.uploads.remaining], [200, 4]);
}, {}, { profiles: '[profiles.default]\nscopes = []\nfolder = "a"\nexpires_in = "5m"\nquota = { uploads = "5/day" }\n' });

for (const [name, env] of /** @type {[string, Record<string, string>][]} */ ([
  ['localhost', {}], ['127.0.0.1', {}], ['app.localhost', {}], ['[::1]', { HOST: '::1' }],
])) {
  browserTest(`the demo page works at ${name}`, async (desk) => {
    await desk.page.goto(`http://${name}:${desk.server.port}/unsigned`);
    await desk.page.locator('html[data-ready="true"]').waitFor();
    await desk.choose({ 'gradient.png': png() });
    await desk.submit();
    const card = await desk.until('gradient.png', 'done');
    await card.getByTestId('delete').click();
    await desk.hook('confirm-delete').click();
    await desk.until('gradient.png', 'deleted');
  }, {}, { env });
}
