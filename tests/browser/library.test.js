/**
 * countersign.js by itself, against servers that answer what a story needs: tokens, quotas, confirmations. What it does
 * with files and with a real server is told by the other stories.
 */

import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';

// A copy under a name that says it is a module: a browser is told by the page, Node.js would have to guess.
const folder = mkdtempSync(join(tmpdir(), 'countersign-library-'));
after(() => rmSync(folder, { recursive: true, force: true }));
copyFileSync(new URL('../../static/countersign.js', import.meta.url), join(folder, 'countersign.mjs'));
/** @type {typeof import('../../static/countersign.js')} */
const { confirmUpload, createUploader, deleteUpload, listUploads, upload } = await import(join(folder, 'countersign.mjs'));

const NOW = 1_720_000_000;
const ID = '0'.repeat(32);
const FILE = new File(['file'], 'file.txt');
const ASSET = { public_id: `a/${ID}`, version: 7, signature: 'feed', resource_type: 'raw', type: 'upload', secure_url: 'https://a.example/f', bytes: 4 };
const SIGNED = { payload: { timestamp: NOW }, signature: 'a'.repeat(40), uploadUrl: 'https://provider.example/upload', serverTime: NOW, expiresAt: NOW + 300 };

/** @typedef {{ method: string, path: string, authorization: string | null, body: any }} Request */

/** What the server was asked. @type {Request[]} */
let requests = [];
beforeEach(() => {
  requests = [];
  // What a browser has and Node.js has not.
  Object.assign(globalThis, { XMLHttpRequest: Provider, addEventListener() {}, removeEventListener() {} });
});

/**
 * A server that gives these answers, one after the other, and the last one for ever.
 * @param {...{ status?: number, headers?: Record<string, string>, body?: any }} answers
 * @returns {typeof fetch}
 */
function server(...answers) {
  return async (path, { method = 'GET', headers, body } = {}) => {
    requests.push({ method, path: String(path), authorization: new Headers(headers).get('authorization'), body: body && JSON.parse(String(body)) });
    const { status = 200, headers: own = {}, body: text } = answers.length > 1 ? answers.shift() : answers[0];
    return new Response(JSON.stringify(text), { status, headers: own });
  };
}

const success = (/** @type {any} */ data) => ({ body: { status: 'success', data } });
const failure = (/** @type {number} */ status, /** @type {string} */ code, headers = {}) => ({ status, headers, body: { status: 'failed', code, message: `no: ${code}` } });
const grant = (/** @type {object} */ more) => success({ uploadId: ID, state: 'used', reason: null, ...more });

/** A provider that takes every file, as far as an upload looks at XMLHttpRequest. */
class Provider extends EventTarget {
  upload = new EventTarget();
  status = 200;
  responseText = JSON.stringify(ASSET);
  open() {}
  setRequestHeader() {}
  abort() {}
  send() {
    setTimeout(() => {
      this.upload.dispatchEvent(new Event('load'));
      for (const name of ['load', 'loadend']) this.dispatchEvent(new Event(name));
    });
  }
}

test('the token goes with every request, and stands in the place of another header of that name', async () => {
  const options = { headers: { authorization: 'Basic bm8=', 'X-Own': '1' }, getToken: async () => 'first', fetch: server(success({ uploads: [] })) };
  await listUploads(options);
  await createUploader(options).listUploads();
  assert.deepEqual(requests.map(({ authorization }) => authorization), ['Bearer first', 'Bearer first']);
});

test('without a token nothing is said of the caller', async () => {
  await listUploads({ getToken: () => undefined, fetch: server(success({ uploads: [] })) });
  assert.equal(requests[0].authorization, null);
});

test('a token that ran out is asked for once more, and the request repeated once', async () => {
  /** @type {boolean[]} */
  const asked = [];
  const getToken = (/** @type {{ refresh: boolean }} */ { refresh }) => { asked.push(refresh); return refresh ? 'new' : 'old'; };
  await listUploads({ getToken, fetch: server(failure(401, 'token_expired'), success({ uploads: [] })) });
  assert.deepEqual(asked, [false, true]);
  assert.deepEqual(requests.map(({ authorization }) => authorization), ['Bearer old', 'Bearer new']);

  await assert.rejects(listUploads({ getToken, fetch: server(failure(401, 'credential_refused')) }), { code: 'credential_refused', status: 401 });
  assert.equal(requests.length, 4, 'a server that stays at its no is not asked a third time');
});

test('a token that never comes does not outlive a cancellation', async () => {
  const controller = new AbortController();
  const listing = listUploads({ signal: controller.signal, getToken: () => new Promise(() => {}), fetch: server(success({})) });
  controller.abort();
  await assert.rejects(listing, { code: 'cancelled', name: 'AbortError' });
  assert.deepEqual(requests, []);
});

test('a quota that is used up fails at once and says for how long', async () => {
  const refusal = failure(429, 'quota_exceeded', { 'Retry-After': '86000' });
  // Were it asked again after all, the test would not last until tomorrow.
  const signal = AbortSignal.timeout(5000);
  await assert.rejects(upload(FILE, { signal, fetch: server(refusal) }), { code: 'quota_exceeded', status: 429, retryAfterSeconds: 86_000 });
  assert.equal(requests.length, 1);
  await assert.rejects(upload(FILE, { fetch: server(failure(429, 'quota_exceeded')) }), { code: 'quota_exceeded' });
  assert.equal(requests.length, 2, 'nor is it asked again where nobody says for how long');
});

test('what is left of a quota comes with the signature, and stays known when that is renewed', async () => {
  const quota = { uploads: { limit: 20, remaining: 19, resetsAt: NOW + 600 } };
  // The first one is all but over, so that the second part asks for another.
  const first = success({ ...SIGNED, expiresAt: NOW, uploadId: ID, quota });
  const second = success({ ...SIGNED, uploadId: ID });
  const file = new File([new Uint8Array(7_000_000)], 'film.mp4');
  const { signed } = await upload(file, { chunkSize: 6_000_000, confirm: false, fetch: server(first, second) });
  assert.deepEqual(requests.map(({ body }) => body), [undefined, { uploadId: ID }]);
  assert.equal(signed.quota?.uploads?.remaining, 19);
  assert.ok(Math.abs((signed.quota?.uploads?.secondsLeft() ?? 0) - 600) < 5);
  assert.equal(signed.quota?.bytes, undefined);
});

test('a granted upload is confirmed by what the provider signed, unless that is not wanted', async () => {
  const signature = success({ ...SIGNED, uploadId: ID });
  const { grant: settled } = await upload(FILE, { fetch: server(signature, grant({ bytes: 4 })) });
  assert.deepEqual([settled?.state, settled?.bytes], ['used', 4]);
  const { method, path, body } = requests[1];
  assert.deepEqual([method, path], ['POST', `/uploads/${ID}/confirm`]);
  assert.deepEqual(body, { public_id: ASSET.public_id, version: 7, signature: 'feed', resource_type: 'raw' });

  assert.equal((await upload(FILE, { confirm: false, fetch: server(signature) })).grant, undefined);
  assert.equal(requests.length, 3);
  assert.equal((await upload(FILE, { fetch: server(success(SIGNED)) })).grant, undefined);
  assert.equal(requests.length, 4, 'what no ledger keeps is not confirmed');
});

test('a file that breaks the profile makes its upload fail, with the reason and the grant', async () => {
  const rejected = grant({ state: 'rejected', reason: 'has 4 bytes, and the profile takes 3 at most' });
  await assert.rejects(upload(FILE, { fetch: server(success({ ...SIGNED, uploadId: ID }), rejected) }), (error) => {
    const { code, message, origin, retryable, data } = /** @type {any} */ (error);
    assert.deepEqual([code, origin, retryable, data.state], ['rejected_by_profile', 'server', false, 'rejected']);
    assert.equal(message, 'The file has 4 bytes, and the profile takes 3 at most.');
    return true;
  });
});

test('a confirmation that cannot be given is tried again, and never undoes the upload', async () => {
  const signature = success({ ...SIGNED, uploadId: ID });
  const late = await upload(FILE, { fetch: server(signature, failure(503, 'ledger_unreachable'), grant({})) });
  assert.deepEqual([late.grant?.state, late.unconfirmed], ['used', undefined]);

  for (const [answer, tries, code] of /** @type {const} */ ([
    [failure(503, 'ledger_unreachable'), 2, 'ledger_unreachable'], [failure(422, 'confirmation_refused'), 1, 'confirmation_refused'],
    [{ status: 200, body: 'a captive portal' }, 1, 'unexpected_answer'],
  ])) {
    requests = [];
    const { asset, grant: settled, unconfirmed } = await upload(FILE, { retries: 1, fetch: server(signature, answer) });
    assert.equal(asset.public_id, ASSET.public_id);
    assert.deepEqual([settled, unconfirmed?.code], [undefined, code]);
    assert.equal(requests.length, 1 + tries, code);
  }
});

test('an upload that is cancelled while it is confirmed is cancelled', async () => {
  const controller = new AbortController();
  const answers = server(success({ ...SIGNED, uploadId: ID }), failure(503, 'ledger_unreachable', { 'Retry-After': '60' }));
  const uploading = upload(FILE, {
    fetch: answers,
    signal: controller.signal,
    onProgress: ({ phase, retry }) => { if (phase === 'waiting' && retry?.error.code === 'ledger_unreachable') controller.abort(); },
  });
  await assert.rejects(uploading, { code: 'cancelled' });
});

test('grants are listed in pages and deleted by their id', async () => {
  const page = { uploads: [{ uploadId: ID, state: 'issued' }], nextCursor: ID };
  assert.deepEqual(await listUploads({ limit: 1, state: 'issued', fetch: server(success(page)) }), page);
  await listUploads({ cursor: ID, subject: 'alice', fetch: server(success({ uploads: [] })) });
  assert.equal((await deleteUpload(ID, { fetch: server(grant({ deletedAt: NOW })) })).deletedAt, NOW);
  assert.equal((await confirmUpload(ID, /** @type {any} */ (ASSET), { fetch: server(grant({})) })).state, 'used');
  assert.deepEqual(requests.map(({ method, path }) => `${method} ${path}`), [
    'GET /uploads?limit=1&state=issued', `GET /uploads?cursor=${ID}&subject=alice`, `DELETE /uploads/${ID}`, `POST /uploads/${ID}/confirm`,
  ]);
  await assert.rejects(listUploads({ fetch: server(success({})) }), { code: 'unexpected_answer' });
});
