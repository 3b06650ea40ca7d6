/** Archives of many assets, stored and downloaded. */

import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { png } from '../../support/files.js';
import { cloudinary, get, server, uploadBytes } from './harness.js';

const { uploader, utils } = cloudinary;

before(async () => {
  await uploadBytes(png(), { public_id: 'zip/a', tags: ['zip'] });
  await uploadBytes(png(), { public_id: 'zip/b', tags: ['zip'], type: 'private' });
  await uploadBytes(Buffer.from('text'), { public_id: 'zip/c.txt', tags: ['zip'], resource_type: 'raw' });
});

/**
 * The names of the files in an archive, from its central directory.
 * @param {Buffer} archive
 */
function namesIn(archive) {
  const end = archive.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  const names = [];
  let at = archive.readUInt32LE(end + 16);
  for (let left = archive.readUInt16LE(end + 10); left > 0; left--) {
    const [name, extra, comment] = [28, 30, 32].map((offset) => archive.readUInt16LE(at + offset));
    names.push(archive.toString('utf8', at + 46, at + 46 + name));
    at += 46 + name + extra + comment;
  }
  return names;
}

/** @param {string} url */
async function downloaded(url) {
  const { status, bytes } = await get(url);
  assert.equal(status, 200, bytes.toString());
  return namesIn(bytes);
}

test('create_zip stores an archive of everything with a tag', async () => {
  const archive = await uploader.create_zip({ tags: 'zip', target_public_id: 'made/all', target_tags: ['x'], resource_type: 'all' });
  assert.deepEqual([archive.public_id, archive.resource_type, archive.resource_count, archive.file_count], ['made/all.zip', 'raw', 3, 3]);
  assert.deepEqual(archive.tags, ['x']);
  assert.deepEqual(await downloaded(archive.secure_url), ['zip/a.png', 'zip/b.png', 'zip/c.txt']);
});

test('create_archive takes ids, prefixes and delivery types', async () => {
  const byId = await uploader.create_archive({ public_ids: ['zip/b'], type: 'private', target_format: 'zip' });
  assert.equal(byId.file_count, 1);
  const byPrefix = await uploader.create_archive({ prefixes: ['zip/'], resource_type: 'raw', flatten_folders: true });
  assert.deepEqual(await downloaded(byPrefix.secure_url), ['c.txt']);
});

test('download addresses open archives that are stored nowhere', async () => {
  const before = (await server.emulator.assets()).length;
  assert.deepEqual(await downloaded(utils.download_zip_url({ tags: 'zip' })), ['zip/a.png']);
  const qualified = ['image/private/zip/b', 'raw/upload/zip/c.txt'];
  assert.deepEqual(await downloaded(utils.download_archive_url({ fully_qualified_public_ids: qualified, resource_type: 'auto' })), ['zip/b.png', 'zip/c.txt']);
  assert.deepEqual(await downloaded(utils.download_folder('zip/')), ['zip/a.png', 'zip/b.png', 'zip/c.txt']);
  assert.equal((await server.emulator.assets()).length, before);
});

test('a download address expires when it says so', async () => {
  const now = Math.floor(Date.now() / 1000);
  const address = utils.download_zip_url({ tags: 'zip', timestamp: now - 7200, expires_at: now + 60 });
  assert.equal((await get(address)).status, 200);
  assert.equal((await get(utils.download_zip_url({ tags: 'zip', expires_at: now - 1 }))).status, 400);
  assert.equal((await get(address.replace('tags', 'prefixes'))).status, 401, 'nothing in it can be changed');
});

test('what is missing refuses an archive unless it may be missing', async () => {
  const ids = { public_ids: ['zip/a', 'zip/none'] };
  await assert.rejects(uploader.create_zip(ids), (/** @type {any} */ error) => {
    assert.deepEqual([error.http_code, error.message], [404, 'Resource not found - zip/none']);
    return true;
  });
  assert.equal((await uploader.create_zip({ ...ids, allow_missing: true })).file_count, 1);
});

test('formats that are not made are refused by name', async () => {
  await assert.rejects(uploader.create_archive({ tags: 'zip', target_format: 'tgz' }), { message: 'Not emulated: target_format tgz' });
});
