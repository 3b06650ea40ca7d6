/** What the signing server makes is what the SDK would have made. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { digest, mp4, note, png } from '../../support/files.js';
import { ACCOUNT } from '../../support/server.js';
import { LINKS, ask, cloudinary, get, remove, server, uploadBytes } from './harness.js';

/**
 * Uploads as a client without any SDK would: exactly what was signed, the key, the signature and the file.
 * @param {any} permit
 * @param {Uint8Array} bytes
 * @param {string} name
 * @param {string} [signature]
 */
async function uploadWith(permit, bytes, name, signature = permit.signature) {
  const form = new FormData();
  for (const [field, value] of Object.entries({ ...permit.payload, api_key: permit.apiKey, signature })) form.append(field, String(value));
  form.append('file', new Blob([bytes]), name);
  const response = await fetch(permit.uploadUrl, { method: 'POST', body: form });
  return { status: response.status, asset: await response.json() };
}

for (const [query, type] of [['', undefined], ['?should_secure_asset=false', undefined], ['?should_secure_asset=true', 'private']]) {
  test(`/upload-signature${query} signs what the SDK signs, and the upload is accepted`, async () => {
    const permit = await ask('GET', `/upload-signature${query}`);
    assert.equal(permit.payload.type, type);
    assert.equal(cloudinary.utils.api_sign_request(permit.payload, ACCOUNT.secret), permit.signature);
    assert.equal(cloudinary.utils.api_sign_request(permit.payload, ACCOUNT.secret, 'sha1', 1), permit.manualSignature);
    for (const signature of [permit.signature, permit.manualSignature]) {
      const { status, asset } = await uploadWith(permit, png(), 'picture.png', signature);
      assert.deepEqual([status, asset.type, asset.original_filename], [200, type ?? 'upload', 'picture']);
      assert.ok(cloudinary.utils.verify_api_response_signature(asset.public_id, asset.version, asset.signature));
    }
  });
}

test('one changed, missing or additional parameter and the signature no longer fits', async () => {
  const permit = await ask('GET', '/upload-signature');
  const { folder, ...rest } = permit.payload;
  for (const payload of [{ ...permit.payload, folder: 'kyc/2' }, rest, { ...permit.payload, tags: 'more' }, { ...permit.payload, timestamp: permit.payload.timestamp + 1 }]) {
    const { status, asset } = await uploadWith({ ...permit, payload }, png(), 'picture.png');
    assert.equal(status, 401, `${folder} ${JSON.stringify(payload)}`);
    assert.match(asset.error.message, /^Invalid Signature/);
  }
});

test('a signature dies after the half hour it is good for', async () => {
  const permit = await ask('GET', '/upload-signature');
  assert.equal(permit.expiresAt - permit.serverTime, 1800);
  assert.equal(permit.expiresAt - permit.payload.timestamp, 3600);
  await server.emulator.advanceClock(1_790);
  try {
    assert.equal((await uploadWith(permit, png(), 'picture.png')).status, 200);
    await server.emulator.advanceClock(20);
    const { asset } = await uploadWith(permit, png(), 'picture.png');
    assert.match(asset.error.message, /^Stale request/);
  } finally {
    await server.emulator.advanceClock(-1_810);
  }
});

for (const [resourceType, format, bytes] of /** @type {[any, string, Buffer][]} */ ([['image', 'png', png()], ['video', 'mp4', mp4()], ['raw', '', note()]])) {
  test(`/download-url makes the link that private_download_url makes: ${resourceType}`, async () => {
    const stored = await uploadBytes(bytes, { resource_type: resourceType, type: 'private', public_id: resourceType === 'raw' ? 'vault/ä, ö.txt' : 'vault/ä (1)' });
    const query = new URLSearchParams({ public_id: stored.public_id, format, resource_type: resourceType, attachment: 'true' });
    const { downloadUrl } = await ask('GET', `/download-url?${query}`);
    const link = new URL(downloadUrl);
    const ours = Object.fromEntries(link.searchParams);
    const theirs = new URL(cloudinary.utils.private_download_url(stored.public_id, format, {
      resource_type: resourceType, type: 'private', attachment: /** @type {any} */ (ours.attachment), ...LINKS,
      expires_at: Number(ours.expires_at), ...{ timestamp: ours.timestamp },
    }));
    assert.equal(link.origin + link.pathname, theirs.origin + theirs.pathname);
    assert.deepEqual(ours, Object.fromEntries([...theirs.searchParams].filter(([, value]) => value !== '')));
    const answer = await get(downloadUrl);
    assert.deepEqual([answer.status, digest(answer.bytes)], [200, digest(bytes)]);
  });
}

test('/delete-files deletes what the SDK uploaded, of every kind', async () => {
  const kinds = [];
  for (const type of /** @type {const} */ (['upload', 'private', 'authenticated'])) {
    kinds.push({ bytes: png(), options: { resource_type: 'image', type, public_id: `kinds/${type} ü` } });
    kinds.push({ bytes: mp4(), options: { resource_type: 'video', type, public_id: `kinds/${type}` } });
    kinds.push({ bytes: note(), options: { resource_type: 'raw', type, public_id: `kinds/${type}.txt` } });
  }
  const stored = [];
  for (const { bytes, options } of kinds) stored.push(await uploadBytes(bytes, /** @type {any} */ (options)));
  const before = (await server.emulator.assets()).filter(({ public_id }) => public_id.startsWith('kinds/'));
  assert.equal(before.length, 9);

  const urls = stored.map(({ resource_type, secure_url }) => ({ type: resource_type, url: secure_url }));
  const results = await remove(urls);
  assert.deepEqual(results, stored.map(({ public_id, secure_url }) => ({ url: secure_url, publicId: public_id, outcome: 'deleted' })));
  for (const { secure_url } of stored) assert.equal((await get(secure_url)).status, 404, secure_url);
  const again = await remove(urls);
  assert.deepEqual([...new Set(again.map(({ outcome }) => outcome))], ['not_found']);
});
