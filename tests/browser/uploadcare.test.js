/** The provider's own component on the Uploadcare page, with signatures from this server. */

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

import { digest } from '../support/files.js';
import { browserTest } from './harness.js';

/** @typedef {import('./harness.js').Desk} Desk */

/** What the console shows when a request is made to fail. */
const FAILED_REQUEST = /Failed to load resource/;

/**
 * Opens the page and notes every request that leaves this machine.
 * @param {Desk} desk
 */
async function visit(desk) {
  /** @type {string[]} */
  const outside = [];
  desk.page.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url());
    if (protocol.startsWith('http') && hostname !== '127.0.0.1') outside.push(request.url());
  });
  await desk.visit('/uploadcare');
  return outside;
}

/**
 * Adds files through the dialog that the component opens.
 * @param {Desk} desk
 * @param {Record<string, Uint8Array>} files by name
 */
async function add(desk, files) {
  await desk.page.evaluate(() => {
    const provider = /** @type {any} */ (document.querySelector('uc-upload-ctx-provider'));
    provider.getAPI().openSystemDialog();
  });
  await desk.page.locator('input[uploadcare-file-input]').setInputFiles(desk.write(files));
}

/** @param {Desk} desk @param {number} count */
async function untilUploaded(desk, count) {
  await desk.hook('result').nth(count - 1).waitFor({ timeout: 60_000 });
  assert.equal(await desk.hook('result').count(), count);
}

/**
 * How often the emulator was sent such requests.
 * @param {Desk} desk @param {string} method @param {RegExp} path
 */
async function sent(desk, method, path) {
  const requests = await desk.server.emulator.requests();
  return requests.filter((request) => request.method === method && path.test(request.path)).length;
}

/**
 * Every request for a signature, answered as `answer` says from now on.
 * @param {Desk} desk
 * @param {(route: import('playwright-core').Route, count: number) => Promise<void>} answer
 */
async function onSignature(desk, answer) {
  const seen = { count: 0 };
  await desk.page.route('**/uploadcare-signature*', (route) => answer(route, ++seen.count));
  return seen;
}

/** @param {Desk} desk */
function failures(desk) {
  return desk.page.locator('uc-file-item .uc-inner[data-failed]');
}

browserTest('the component uploads a small file and reports where it is', async (desk) => {
  const outside = await visit(desk);
  const bytes = randomBytes(100_000);
  await add(desk, { 'small.bin': bytes });
  await untilUploaded(desk, 1);
  const link = desk.hook('result').locator('a');
  assert.equal(await link.innerText(), 'small.bin');
  const answer = await desk.fetchBytes(await link.getAttribute('href') ?? '');
  assert.deepEqual([answer.status, digest(answer.bytes)], [200, digest(bytes)]);
  assert.equal(await sent(desk, 'POST', /^\/uploadcare\/base\/$/), 1);
  assert.deepEqual(outside, []);
});

browserTest('a large file goes in parts', async (desk) => {
  await visit(desk);
  const bytes = randomBytes(30 * 1024 * 1024);
  await add(desk, { 'large.bin': bytes });
  await untilUploaded(desk, 1);
  const answer = await desk.fetchBytes(await desk.hook('result').locator('a').getAttribute('href') ?? '');
  assert.equal(digest(answer.bytes), digest(bytes));
  assert.equal(await sent(desk, 'PUT', /^\/uploadcare\/multipart\//), 6);
  assert.equal(await sent(desk, 'POST', /^\/uploadcare\/base\/$/), 0);
});

browserTest('twenty-five files at once share one signature', async (desk) => {
  await visit(desk);
  const seen = await onSignature(desk, (route) => route.continue());
  await add(desk, Object.fromEntries(Array.from({ length: 25 }, (_, index) => [`file-${index}.bin`, randomBytes(2_000)])));
  await untilUploaded(desk, 25);
  assert.equal(seen.count, 1);
});

browserTest('an expired signature is named, with a hint at the clocks', async (desk) => {
  await visit(desk);
  await desk.server.emulator.advanceClock(7_200);
  await add(desk, { 'late.bin': randomBytes(1_000) });
  await failures(desk).waitFor();
  await desk.reads(desk.page.locator('.uc-file-error'), /Expired signature\./);
  await desk.reads(desk.hook('notice'), /late\.bin: Expired signature\. .*clocks/);
});

browserTest('a wrong signature is named', async (desk) => {
  await visit(desk);
  const expire = String(Math.floor(Date.now() / 1000) + 3_600);
  const signature = 'ab'.repeat(32);
  await onSignature(desk, (route) => route.fulfill({ json: { secureSignature: signature, secureExpire: expire } }));
  await add(desk, { 'forged.bin': randomBytes(1_000) });
  await failures(desk).waitFor();
  await desk.reads(desk.page.locator('.uc-file-error'), /Invalid signature\./);
  await desk.reads(desk.hook('notice'), /UPLOADCARE_SECRET_KEY/);
});

browserTest('without a signing server nothing is uploaded, and the page says so', async (desk) => {
  desk.expect(FAILED_REQUEST);
  await visit(desk);
  const seen = await onSignature(desk, (route) => route.abort());
  await add(desk, { 'one.bin': randomBytes(1_000), 'two.bin': randomBytes(1_000) });
  await desk.reads(desk.hook('notice'), /Nothing was uploaded: The signing server did not answer\./);
  await desk.page.locator('.uc-file-error').getByText('Not uploaded: The signing server did not answer.').first().waitFor();
  assert.equal(seen.count, 4, 'it is tried again three times, once for both files');
  assert.equal(await sent(desk, 'POST', /^\/uploadcare\//), 0);
});

browserTest('a signing server that comes back in time is all it takes', async (desk) => {
  desk.expect(FAILED_REQUEST);
  await visit(desk);
  const seen = await onSignature(desk, (route, count) => (count < 3 ? route.fulfill({ status: 503, body: '' }) : route.continue()));
  await add(desk, { 'patient.bin': randomBytes(1_000) });
  await untilUploaded(desk, 1);
  assert.equal(seen.count, 3);
  assert.equal(await desk.hook('notice').isVisible(), false);
});

browserTest('a page that leaves the validator out sends nothing unsigned either', async (desk) => {
  desk.expect(FAILED_REQUEST, /Unknown upload error UploadError: The signing server answered HTTP 500/);
  await visit(desk);
  await desk.page.evaluate(() => { /** @type {any} */ (document.querySelector('uc-config')).fileValidators = []; });
  await onSignature(desk, (route) => route.fulfill({ status: 500, body: '' }));
  await add(desk, { 'unsigned.bin': randomBytes(1_000) });
  await failures(desk).waitFor();
  assert.equal(await sent(desk, 'POST', /^\/uploadcare\//), 0);
});

const folder = mkdtempSync(join(tmpdir(), 'countersign-callers-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/**
 * Ann and Bob, under a profile that keeps whose each file is.
 * @param {string} [more] further keys of the profile
 */
function callers(more = '') {
  const keys = ['ann', 'bob'].map((name) => `${name} ${createHash('sha256').update(`cs_${name}`).digest('hex')} upload:uploadcare,delete\n`);
  const files = { API_KEYS_FILE: keys.join(''), PROFILES_FILE: `[profiles.uploadcare]\nprovider = "uploadcare"\nowned = true\n${more}` };
  const paths = Object.entries(files).map(([name, text]) => {
    const path = join(mkdtempSync(join(folder, 'files-')), name);
    writeFileSync(path, text);
    return [name, path];
  });
  return { AUTH: 'api-key', ...Object.fromEntries(paths) };
}

browserTest('a file is whose signature it went with, and nobody else\u2019s', async (desk) => {
  await desk.page.route('**/uploadcare-signature*', (route) => {
    return route.continue({ headers: { ...route.request().headers(), 'x-api-key': 'cs_ann' } });
  });
  await visit(desk);
  await add(desk, { 'mine.bin': randomBytes(1_000) });
  await untilUploaded(desk, 1);
  const url = await desk.hook('result').locator('a').getAttribute('href');
  /** @param {string} who */
  const outcome = async (who) => {
    const headers = { 'Content-Type': 'application/json', 'X-API-Key': `cs_${who}` };
    const response = await fetch(`${desk.server.url}/delete-files`, { method: 'DELETE', headers, body: JSON.stringify({ urls: [{ url }] }) });
    return (await response.json()).data.results[0].outcome;
  };
  assert.equal(await outcome('bob'), 'not_found');
  // The provider tells of the file beside the upload, and not before its end.
  let found = await outcome('ann');
  for (let tries = 0; found === 'not_found' && tries < 100; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    found = await outcome('ann');
  }
  assert.equal(found, 'deleted');
}, {}, { env: callers() });

browserTest('seven files under signatures for three each are all their caller\u2019s', async (desk) => {
  /** @type {string[]} */
  const labels = [];
  await desk.page.route('**/uploadcare-signature*', async (route) => {
    const response = await route.fetch({ headers: { ...route.request().headers(), 'x-api-key': 'cs_ann' } });
    const { filesLeft, fileMetadata } = await response.json();
    assert.equal(filesLeft, 3);
    labels.push(...fileMetadata.map((/** @type {any} */ metadata) => metadata.countersign));
    await route.fulfill({ response });
  });
  await visit(desk);
  await add(desk, Object.fromEntries(Array.from({ length: 7 }, (_, index) => [`file-${index}.bin`, randomBytes(2_000)])));
  await untilUploaded(desk, 7);
  assert.deepEqual([labels.length, new Set(labels).size], [9, 9], 'three signatures, and no label twice');
  const links = await desk.hook('result').locator('a').evaluateAll((found) => found.map((link) => /** @type {HTMLAnchorElement} */ (link).href));
  const headers = { 'Content-Type': 'application/json', 'X-API-Key': 'cs_ann' };
  // The webhooks come beside the uploads: every file is Ann's in the end, and none is deleted as a surplus before.
  const left = new Set(links);
  for (let tries = 0; left.size > 0 && tries < 100; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const body = JSON.stringify({ urls: [...left].map((url) => ({ url })) });
    const { data } = await (await fetch(`${desk.server.url}/delete-files`, { method: 'DELETE', headers, body })).json();
    for (const { url, outcome } of data.results) if (outcome === 'deleted') left.delete(url);
  }
  assert.deepEqual([...left], []);
}, {}, { env: callers('files_per_signature = 3\n') });
