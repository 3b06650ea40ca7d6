/** Uploadcare's own packages agree with this server and with its emulator. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { UploadcareAuthSchema, UploadcareSimpleAuthSchema, createWebhook, deleteFile, deleteFiles, deleteMetadata, deleteWebhook, fileInfo, getMetadata } from '@uploadcare/rest-client';
import { generateSecureSignature } from '@uploadcare/signed-uploads';
import { UploadClient } from '@uploadcare/upload-client';

import { digest, png } from '../../support/files.js';
import { startServer } from '../../support/server.js';

const KEYS = { publicKey: 'emulator-public-key', secretKey: 'emulator-secret-key' };
const STRANGE = '52da3bfc-7cd8-4861-8b05-126fef7a6994';

const server = await startServer({ env: { EMULATOR_ALLOW: 'notifications' } });
after(() => server.stop());
const emulator = server.emulator.url;
const signedRest = { apiBaseURL: emulator, authSchema: new UploadcareAuthSchema(KEYS), retryNetworkErrorMaxTimes: 0 };
const simpleRest = { apiBaseURL: emulator, authSchema: new UploadcareSimpleAuthSchema(KEYS) };

/** @returns {Promise<{ secureSignature: string, secureExpire: string, signature: string, expire: string }>} */
async function signature() {
  return (await fetch(`${server.url}/uploadcare-signature`)).json();
}

/** @param {{ secureSignature?: string, secureExpire?: string }} pair */
function uploader({ secureSignature, secureExpire }) {
  const baseURL = `${emulator}/uploadcare`;
  return new UploadClient({ publicKey: KEYS.publicKey, baseURL, baseCDN: emulator, secureSignature, secureExpire, retryNetworkErrorMaxTimes: 0 });
}

/** @param {string} name @param {Buffer} bytes */
async function upload(name, bytes) {
  return uploader(await signature()).uploadFile(bytes, { fileName: name, contentType: 'application/octet-stream' });
}

test('signed-uploads makes the same signature for the same time', async () => {
  const pair = await signature();
  const theirs = generateSecureSignature(KEYS.secretKey, { expire: Number(pair.secureExpire) * 1000 });
  assert.deepEqual({ secureSignature: pair.secureSignature, secureExpire: pair.secureExpire }, theirs);
  assert.deepEqual([pair.signature, pair.expire], [pair.secureSignature, pair.secureExpire]);
});

for (const [name, bytes] of /** @type {[string, Buffer][]} */ ([['picture.png', png()], ['large.bin', randomBytes(30_000_000)]])) {
  test(`upload-client uploads ${name} and finds it on the CDN`, async () => {
    const file = await upload(name, bytes);
    assert.deepEqual([file.originalFilename, file.size, file.isStored], [name, bytes.length, true]);
    assert.equal(file.cdnUrl, `${emulator}/${file.uuid}/`);
    const answer = await fetch(file.cdnUrl ?? '');
    assert.equal(digest(Buffer.from(await answer.arrayBuffer())), digest(bytes));
  });
}

test('upload-client reads every refusal of a signature', async () => {
  const pair = await signature();
  const late = generateSecureSignature(KEYS.secretKey, { expire: Date.now() - 60_000 });
  for (const [wrong, code] of /** @type {[object, string][]} */ ([
    [{}, 'SignatureRequiredError'],
    [{ secureSignature: pair.secureSignature }, 'SignatureExpirationRequiredError'],
    [{ secureSignature: pair.secureSignature, secureExpire: `${pair.secureExpire}000` }, 'SignatureExpirationInvalidError'],
    [late, 'SignatureExpirationError'],
    [{ ...pair, secureSignature: 'ab'.repeat(32) }, 'SignatureInvalidError'],
  ])) {
    const refused = uploader(wrong).uploadFile(Buffer.from('text'), { fileName: 'a.txt' });
    await assert.rejects(refused, (/** @type {any} */ error) => error.code === code, code);
  }
});

test('upload-client makes a group and describes it', async () => {
  const client = uploader(await signature());
  const files = [await upload('a.txt', Buffer.from('a')), await upload('b.txt', Buffer.from('b'))];
  const group = await client.group(files.map((file) => file.uuid));
  assert.equal(group.filesCount, 2);
  assert.equal((await client.groupInfo(group.id)).id, group.id);
});

for (const [scheme, settings] of Object.entries({ signed: signedRest, simple: simpleRest })) {
  test(`rest-client describes and deletes files by the ${scheme} scheme`, async () => {
    const { uuid } = await upload('a.txt', Buffer.from('text'));
    assert.equal((await fileInfo({ uuid }, settings)).originalFilename, 'a.txt');
    const deleted = await deleteFiles({ uuids: [uuid, STRANGE] }, settings);
    assert.deepEqual([deleted.result.map((file) => file.uuid), deleted.problems], [[uuid], { [STRANGE]: 'Missing in the project' }]);
    await assert.rejects(deleteFile({ uuid }, settings), /Not found/);
  });
}

test('rest-client reads metadata and deletes a key of it', async () => {
  const metadata = { keep: '1', drop: '2' };
  const { uuid } = await uploader(await signature()).uploadFile(Buffer.from('text'), { fileName: 'a.txt', metadata });
  assert.deepEqual(await getMetadata({ uuid }, signedRest), metadata);
  await deleteMetadata({ uuid, key: 'drop' }, signedRest);
  assert.deepEqual(await getMetadata({ uuid }, signedRest), { keep: '1' });
});

test('rest-client is refused with a wrong key', async () => {
  const authSchema = new UploadcareAuthSchema({ ...KEYS, secretKey: 'other' });
  await assert.rejects(fileInfo({ uuid: STRANGE }, { ...signedRest, authSchema }), /Invalid signature/);
});

test('a webhook made with rest-client arrives, signed', async () => {
  /** @type {{ headers: any, body: string }[]} */
  const calls = [];
  const receiver = createServer((request, response) => {
    let body = '';
    request.on('data', (piece) => { body += piece; }).on('end', () => {
      calls.push({ headers: request.headers, body });
      response.end();
      receiver.emit('call');
    });
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const targetUrl = `http://127.0.0.1:${/** @type {any} */ (receiver.address()).port}/hook`;
  await createWebhook({ targetUrl, event: /** @type {any} */ ('file.uploaded'), signingSecret: 'hush' }, signedRest);
  const [{ uuid }] = await Promise.all([upload('told.txt', Buffer.from('text')), once(receiver, 'call')]);
  await deleteWebhook({ targetUrl }, signedRest);
  receiver.close();
  receiver.closeAllConnections();

  const { createHmac } = await import('node:crypto');
  const expected = createHmac('sha256', 'hush').update(calls[0].body).digest('hex');
  assert.equal(calls[0].headers['x-uc-signature'], `v1=${expected}`);
  assert.equal(JSON.parse(calls[0].body).data.uuid, uuid);
});

test('the server deletes what upload-client uploaded, by its CDN URL', async () => {
  const file = await upload('gone.txt', Buffer.from('text'));
  const response = await fetch(`${server.url}/delete-files`, {
    method: 'DELETE',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ urls: [{ url: file.cdnUrl }, { url: `https://ucarecdn.com/${STRANGE}/` }] }),
  });
  const { data } = await response.json();
  assert.deepEqual(data.results.map((/** @type {any} */ result) => result.outcome), ['deleted', 'not_found']);
  assert.equal((await fetch(file.cdnUrl ?? '')).status, 404);
});

test('what upload-client sends along makes a file somebody\u2019s, and is counted', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-profiles-'));
  const file = join(folder, 'profiles.toml');
  writeFileSync(file, '[profiles.uploadcare]\nprovider = "uploadcare"\nscopes = []\nmax_bytes = "1KB"\nquota = { uploads = "5/day" }\n');
  const counting = await startServer({ env: { PROFILES_FILE: file } });
  after(async () => {
    await counting.stop();
    rmSync(folder, { recursive: true });
  });
  const sign = async () => (await fetch(`${counting.url}/uploadcare-signature`)).json();
  const { secureSignature, secureExpire, metadata, quota, filesLeft } = await sign();
  assert.deepEqual([quota.uploads.limit, quota.uploads.remaining, filesLeft], [5, 5, 5]);
  const client = new UploadClient({
    publicKey: KEYS.publicKey, baseURL: `${counting.emulator.url}/uploadcare`, baseCDN: counting.emulator.url, secureSignature, secureExpire,
  });
  const small = await client.uploadFile(Buffer.alloc(1_000), { fileName: 'small.bin', metadata });
  const large = await client.uploadFile(Buffer.alloc(1_001), { fileName: 'large.bin', metadata });
  const status = async (/** @type {string | null} */ url) => (await fetch(url ?? '')).status;
  for (let tries = 0; tries < 100 && await status(large.cdnUrl) === 200; tries += 1) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual([await status(small.cdnUrl), await status(large.cdnUrl)], [200, 404]);
  assert.equal((await sign()).quota.uploads.remaining, 3);
  // Nobody who knows the file can read its label any more.
  const rest = { ...signedRest, apiBaseURL: counting.emulator.url };
  for (let tries = 0; tries < 100 && (await getMetadata({ uuid: small.uuid }, rest)).countersign; tries += 1) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(await getMetadata({ uuid: small.uuid }, rest), {});
});
