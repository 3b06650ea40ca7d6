/** The SDK works against the emulator as against the provider. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { digest, mp4, note, pdf, png } from '../../support/files.js';
import { ACCOUNT, freePort, startServer } from '../../support/server.js';
import { cloudinary, configured, deliveryUrl, get, promise, server, uploadBytes } from './harness.js';

const folder = mkdtempSync(join(tmpdir(), 'countersign-sdk-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** @param {string} name @param {Uint8Array} bytes */
function onDisk(name, bytes) {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

for (const [name, bytes, options, expected] of /** @type {[string, Buffer, object, object][]} */ ([
  ['picture.png', png(), {}, { resource_type: 'image', format: 'png', width: 160, height: 120 }],
  ['report.pdf', pdf(), {}, { resource_type: 'image', format: 'pdf' }],
  ['film.mp4', mp4(), { resource_type: 'video' }, { resource_type: 'video', format: 'mp4' }],
  ['minutes.txt', note(), { resource_type: 'raw' }, { resource_type: 'raw', format: undefined }],
  ['anything.txt', note(), { resource_type: 'auto' }, { resource_type: 'raw' }],
])) {
  test(`uploads ${name} with ${JSON.stringify(options)} and gets the same bytes back`, async () => {
    const stored = await cloudinary.uploader.upload(onDisk(name, bytes), { ...options, folder: 'sdk', tags: ['a', 'b'], context: { caption: 'one=two|three' } });
    for (const [field, value] of Object.entries({ ...expected, type: 'upload', bytes: bytes.length, tags: ['a', 'b'] })) {
      assert.deepEqual(stored[field], value, field);
    }
    assert.match(stored.public_id, /^sdk\/\w{20}(\.txt)?$/);
    assert.deepEqual(stored.context, { custom: { caption: 'one=two|three' } });
    const answer = await get(stored.secure_url);
    assert.deepEqual([answer.status, digest(answer.bytes)], [200, digest(bytes)]);
  });
}

for (const algorithm of ['sha1', 'sha256']) {
  for (const version of [1, 2]) {
    test(`signs its uploads with ${algorithm} and version ${version}, and is believed`, async () => {
      await configured({ settings: { signature_algorithm: algorithm, ...{ signature_version: version } } }, async () => {
        const stored = await uploadBytes(png(), { public_id: `signed-${algorithm}-${version}`, context: { note: 'this & that' } });
        assert.deepEqual(stored.context, { custom: { note: 'this & that' } });
        assert.ok(cloudinary.utils.verify_api_response_signature(stored.public_id, String(stored.version), stored.signature));
      });
    });
  }
}

test('uploads a large film in parts of 6 MB', async () => {
  const film = mp4(20_000_000);
  const options = { resource_type: 'video', chunk_size: 6_000_000, public_id: 'large/film' };
  const stored = await promise((done) => cloudinary.uploader.upload_large(onDisk('large.mp4', film), options, done));
  assert.equal(stored.public_id, 'large/film');
  assert.equal(stored.bytes, film.length);
  assert.equal(digest((await get(stored.secure_url)).bytes), digest(film));
});

test('uploads a large stream in parts', async () => {
  const film = mp4(13_000_000);
  const options = { resource_type: 'video', chunk_size: 6_000_000, public_id: 'large/stream' };
  const stored = await promise((done) => cloudinary.uploader.upload_chunked_stream(options, done).end(film));
  assert.equal(digest((await get(stored.secure_url)).bytes), digest(film));
});

test('a private upload opens through private_download_url only, until it expires', async () => {
  const { version } = await uploadBytes(png(), { type: 'private', public_id: 'vault/picture' });
  assert.equal((await get(deliveryUrl('vault/picture.png', { type: 'private', version }))).status, 401);

  const expires_at = Math.floor(Date.now() / 1000) + 60;
  const link = cloudinary.utils.private_download_url('vault/picture', 'png', { type: 'private', expires_at });
  const answer = await get(link);
  assert.deepEqual([answer.status, digest(answer.bytes)], [200, digest(png())]);
  const withoutType = cloudinary.utils.private_download_url('vault/picture', 'png', {});
  assert.equal((await get(withoutType)).status, 404, 'the delivery type must be named');

  await server.emulator.advanceClock(61);
  try {
    assert.ok((await get(link)).status >= 400);
  } finally {
    await server.emulator.advanceClock(-61);
  }
});

test('an authenticated upload is delivered to signed addresses', async () => {
  const stored = await uploadBytes(png(), { type: 'authenticated', public_id: 'members/picture' });
  const address = (/** @type {object} */ options) => deliveryUrl('members/picture.png', { type: 'authenticated', version: stored.version, ...options });
  assert.equal((await get(address({}))).status, 401);
  assert.equal((await get(address({ sign_url: true }))).status, 200);
  assert.equal((await get(address({ sign_url: true, long_url_signature: true }))).status, 200);
  assert.equal((await get(stored.secure_url)).status, 200);
});

test('the Admin API answers ping and deletes by public id', async () => {
  assert.equal((await cloudinary.api.ping()).status, 'ok');
  await uploadBytes(png(), { public_id: 'album/one' });
  await uploadBytes(png(), { public_id: 'album/two', type: 'private' });
  const answer = await cloudinary.api.delete_resources(['album/one', 'album/two']);
  assert.deepEqual(answer.deleted, { 'album/one': 'deleted', 'album/two': 'not_found' });
  const rest = await cloudinary.api.delete_resources(['album/two'], { type: 'private' });
  assert.deepEqual(rest.deleted, { 'album/two': 'deleted' });
});

test('destroy deletes, and says so when there is nothing', async () => {
  await uploadBytes(note(), { public_id: 'minutes.txt', resource_type: 'raw' });
  assert.equal((await cloudinary.uploader.destroy('minutes.txt')).result, 'not found', 'it is no image');
  assert.equal((await cloudinary.uploader.destroy('minutes.txt', { resource_type: 'raw', invalidate: true })).result, 'ok');
  assert.equal((await cloudinary.uploader.destroy('minutes.txt', { resource_type: 'raw' })).result, 'not found');
});

test('a wrong secret, key or cloud is refused in the words that the SDK passes on', async () => {
  const refusals = /** @type {[object, RegExp][]} */ ([
    [{ secret: 'wrong' }, /^Invalid Signature [0-9a-f]{40}\. String to sign - 'public_id=refused&timestamp=\d+'\.$/],
    [{ key: 'wrong' }, /^Unknown API key wrong$/],
    [{ cloud: 'wrong' }, /^Invalid cloud_name wrong$/],
  ]);
  for (const [wrong, words] of refusals) {
    await configured({ account: { ...ACCOUNT, ...wrong } }, async () => {
      await assert.rejects(uploadBytes(png(), { public_id: 'refused' }), { message: words, http_code: 401 });
    });
  }
  await configured({ account: { ...ACCOUNT, secret: 'wrong' } }, async () => {
    await assert.rejects(cloudinary.api.ping(), (/** @type {any} */ { error }) => error.message === 'api_secret mismatch' && error.http_code === 401);
  });
});

test('an old timestamp is refused', async () => {
  const hourAndMore = Math.floor(Date.now() / 1000) - 3700;
  await assert.rejects(uploadBytes(png(), { timestamp: hourAndMore }), { message: /^Stale request - reported time is .+ which is more than 1 hour ago$/ });
});

test('an account of another name works as well', async () => {
  const emulatorPort = await freePort();
  const account = { cloud: 'acme-staging', key: '123456', secret: 'a-secret-of-their-own' };
  const origin = `http://127.0.0.1:${emulatorPort}`;
  const own = await startServer({
    emulatorPort,
    env: { CLOUDINARY_URL: `cloudinary://${account.key}:${account.secret}@${account.cloud}?upload_prefix=${origin}` },
  });
  try {
    await configured({ origin, account }, async () => {
      const stored = await uploadBytes(png(), { public_id: 'logo' });
      assert.match(stored.secure_url, new RegExp(`^${origin}/acme-staging/image/upload/v\\d+/logo\\.png$`));
      assert.equal((await get(stored.secure_url)).status, 200);
    });
  } finally {
    await own.stop();
  }
});
