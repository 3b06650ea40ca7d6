/** What a page of another origin can do with the emulator of a developer who visits it. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';

import { png } from '../support/files.js';
import { ACCOUNT } from '../support/server.js';
import { browserTest } from './harness.js';

/** Serves an empty page and says where it is; that is an origin of its own. */
async function startStranger() {
  const server = createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end('<!doctype html><title>stranger</title><link rel="icon" href="data:,">');
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', () => listening(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return { url: `http://127.0.0.1:${port}/`, stop: () => server.close() };
}

/** The fields of a signed upload. @param {Record<string, string>} params */
function signed(params) {
  const all = { ...params, timestamp: String(Math.floor(Date.now() / 1000)) };
  const text = Object.entries(all).sort().map(([name, value]) => `${name}=${value}`).join('&');
  const signature = createHash('sha1').update(text + ACCOUNT.secret).digest('hex');
  return { ...all, signature, api_key: ACCOUNT.key };
}

/** @param {(desk: import('./harness.js').Desk) => Promise<void>} story */
const withStranger = (/** @type {any} */ story) => async (/** @type {import('./harness.js').Desk} */ desk) => {
  const stranger = await startStranger();
  try {
    await desk.page.goto(stranger.url);
    await story(desk);
  } finally {
    stranger.stop();
  }
};

browserTest('a page of another origin reads and changes nothing at the Admin API and control', withStranger(async (/** @type {import('./harness.js').Desk} */ desk) => {
  // A refused call is an error in the console.
  desk.allow(/CORS policy|Failed to load resource/);
  const emulator = desk.server.emulator.url;
  const form = new FormData();
  for (const [name, value] of Object.entries(signed({ public_id: 'mine' }))) form.append(name, value);
  form.append('file', new Blob([png()]), 'a.png');
  assert.equal((await fetch(`${emulator}/v1_1/emulator/image/upload`, { method: 'POST', body: form })).status, 200);

  const authorization = `Basic ${Buffer.from(`${ACCOUNT.key}:${ACCOUNT.secret}`).toString('base64')}`;
  const headers = { authorization };
  const text = { 'content-type': 'text/plain' };
  const attempts = [
    { path: '/v1_1/emulator/resources/image/upload', options: { headers } },
    { path: '/v1_1/emulator/resources/image/upload', options: { credentials: 'include' } },
    { path: '/v1_1/emulator/resources/image/upload?all=true', options: { method: 'DELETE', headers } },
    { path: '/v1_1/emulator/folders/x', options: { method: 'POST', headers } },
    { path: '/v1_1/emulator/folders/x', options: { method: 'POST', mode: 'no-cors', headers: text, body: '{}' } },
    { path: '/_emulator/assets', options: {} },
    { path: '/_emulator/assets', options: { method: 'DELETE' } },
    { path: '/_emulator/clock', options: { method: 'POST', mode: 'no-cors', headers: text, body: '{"advance_seconds":9000}' } },
    { path: '/_emulator/faults', options: { method: 'POST', mode: 'no-cors', headers: text, body: '[{"status":500}]' } },
  ];
  const outcomes = await desk.page.evaluate(async ({ emulator, attempts }) => {
    const outcomes = [];
    for (const { path, options } of attempts) {
      const read = await fetch(emulator + path, /** @type {RequestInit} */ (options)).then((response) => response.text(), () => '');
      outcomes.push(read);
    }
    return outcomes;
  }, { emulator, attempts });
  assert.deepEqual(outcomes, attempts.map(() => ''), 'a page can read nothing');

  const assets = await desk.server.emulator.assets();
  assert.deepEqual(assets.map((asset) => asset.public_id), ['mine'], 'what was there still is');
  const folders = await fetch(`${emulator}/v1_1/emulator/folders`, { headers });
  assert.deepEqual((await folders.json()).folders, []);
  const { now } = await (await fetch(`${emulator}/_emulator/clock`)).json();
  assert.ok(Math.abs(now - Date.now() / 1000) < 600, 'the clock stands where it stood');
}));

browserTest('a page of another origin uploads with a signature, whole and in parts, and shows the picture', withStranger(async (/** @type {import('./harness.js').Desk} */ desk) => {
  const emulator = desk.server.emulator.url;
  const picture = [...png()];
  const uploaded = await desk.page.evaluate(async ({ emulator, picture, fields }) => {
    const file = new Blob([new Uint8Array(picture)]);
    const upload = async (/** @type {Record<string, string>} */ values, headers = {}) => {
      const form = new FormData();
      for (const [name, value] of Object.entries(values)) form.append(name, value);
      form.append('file', file, 'a.png');
      const response = await fetch(`${emulator}/v1_1/emulator/image/upload`, { method: 'POST', body: form, headers });
      return response.json();
    };
    const whole = await upload(fields.whole);
    const range = `bytes 0-${file.size - 1}/${file.size}`;
    const part = await upload(fields.part, { 'X-Unique-Upload-Id': 'one', 'Content-Range': range });
    const shown = await fetch(whole.secure_url).then((response) => response.arrayBuffer());
    return { whole: whole.public_id, part: part.public_id, bytes: shown.byteLength };
  }, { emulator, picture, fields: { whole: signed({ public_id: 'whole' }), part: signed({ public_id: 'part' }) } });
  assert.deepEqual(uploaded, { whole: 'whole', part: 'part', bytes: picture.length });
}));
