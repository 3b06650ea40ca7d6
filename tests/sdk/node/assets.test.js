/** Everything beside uploading: editing, listing, presets, folders, notifications, tokens. */

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { png } from '../../support/files.js';
import { cloudinary, get, server, uploadBytes } from './harness.js';

const { api, uploader } = cloudinary;

/** @type {{ headers: import('node:http').IncomingHttpHeaders, body: string }[]} */
const heard = [];
const receiver = createServer(async (request, response) => {
  let body = '';
  for await (const piece of request) body += piece;
  heard.push({ headers: request.headers, body });
  response.end();
});
let notification_url = '';
before(async () => {
  await new Promise((listening) => receiver.listen(0, '127.0.0.1', () => listening(undefined)));
  notification_url = `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (receiver.address()).port}/?a=1&b=2`;
});
after(() => receiver.close());

/** @param {Promise<unknown>} call @param {number} status @param {RegExp} text */
async function refused(call, status, text) {
  await assert.rejects(call, (/** @type {any} */ failure) => {
    const error = failure.error ?? failure;
    assert.match(error.message, text);
    assert.equal(error.http_code, status);
    return true;
  });
}

test('what an upload says about an asset comes back, and can be changed', async () => {
  await api.add_metadata_field({ external_id: 'm', label: 'M', type: 'string' });
  const values = ['a', 'b'].map((id) => ({ external_id: id, value: id }));
  await api.add_metadata_field({ external_id: 'l', label: 'L', type: 'set', datasource: { values } });
  const stored = await uploadBytes(png(), {
    public_id: 'said/a', tags: ['x', 'y'], context: { k: 'a=b|c' }, metadata: { m: '1', l: ['a', 'b'] }, moderation: 'manual',
    face_coordinates: [[1, 2, 3, 4]], custom_coordinates: '5,6,7,8', eager: [{ width: 20, crop: 'scale' }],
    access_control: [{ access_type: 'anonymous', start: '2019-02-22T16:20:57Z' }],
  });
  assert.deepEqual([stored.tags, stored.context.custom, stored.metadata], [['x', 'y'], { k: 'a=b|c' }, { m: '1', l: ['a', 'b'] }]);
  assert.deepEqual([stored.moderation[0].status, stored.eager[0].transformation], ['pending', 'c_scale,w_20']);
  await uploader.add_tag('z', ['said/a']);
  await uploader.remove_tag('x', ['said/a']);
  await uploader.add_context({ more: '1' }, ['said/a']);
  await uploader.update_metadata({ m: '2' }, ['said/a']);
  await api.update('said/a', { moderation_status: 'approved' });
  const told = await api.resource('said/a', { coordinates: true });
  assert.deepEqual([told.tags, told.context.custom, told.metadata.m], [['y', 'z'], { k: 'a=b|c', more: '1' }, '2']);
  assert.deepEqual([told.moderation[0].status, told.coordinates], ['approved', { faces: [[1, 2, 3, 4]], custom: [[5, 6, 7, 8]] }]);
  assert.equal((await api.resource_by_asset_id(told.asset_id)).public_id, 'said/a');
  const explicit = await uploader.explicit('said/a', { type: 'upload', tags: 'only' });
  assert.deepEqual(explicit.tags, ['only']);
});

test('assets are renamed, and names that are taken are not', async () => {
  await uploadBytes(png(), { public_id: 'named/a' });
  await uploadBytes(png(), { public_id: 'named/b' });
  await refused(uploader.rename('named/a', 'named/b'), 400, /already exists/);
  assert.equal((await uploader.rename('named/a', 'named/b', { overwrite: true })).public_id, 'named/b');
  await refused(uploader.rename('named/a', 'named/c'), 404, /Resource not found - named\/a/);
});

test('lists come in pages, by prefix, ids, tag, context and moderation', async () => {
  for (const id of ['list/a', 'list/b', 'list/c']) {
    await uploadBytes(png(), { public_id: id, tags: ['listed'], context: { listed: id }, moderation: 'manual' });
  }
  const seen = [];
  for (let next_cursor; ;) {
    const page = await api.resources({ type: 'upload', prefix: 'list/', max_results: 2, ...(next_cursor && { next_cursor }) });
    seen.push(...page.resources.map((/** @type {any} */ one) => one.public_id));
    if (!(next_cursor = page.next_cursor)) break;
  }
  assert.deepEqual(seen.sort(), ['list/a', 'list/b', 'list/c']);
  assert.equal((await api.resources_by_ids(['list/a', 'none'])).resources.length, 1);
  assert.equal((await api.resources_by_tag('listed')).resources.length, 3);
  assert.equal((await api.resources_by_context('listed', 'list/b')).resources[0].public_id, 'list/b');
  assert.ok((await api.resources_by_moderation('manual', 'pending', { max_results: 500 })).resources.length >= 3);
  assert.ok((await api.tags({ prefix: 'list' })).tags.includes('listed'));
  assert.equal((await api.delete_resources_by_tag('listed')).deleted['list/a'], 'deleted');
  await refused(api.resource('list/a'), 404, /Resource not found/);
});

test('a preset allows uploads without a signature, and nothing that only a signature allows', async () => {
  await api.create_upload_preset({ name: 'web', unsigned: true, folder: 'web', tags: ['p'], transformation: { width: 100, crop: 'scale' } });
  await refused(api.create_upload_preset({ name: 'web' }), 409, /already exists/);
  assert.deepEqual((await api.upload_preset('web')).settings.transformation, [{ width: 100, crop: 'scale' }]);
  const file = `data:image/png;base64,${png().toString('base64')}`;
  const stored = await uploader.unsigned_upload(file, 'web', { public_id: 'x', tags: ['mine'] });
  assert.deepEqual([stored.public_id, stored.tags], ['web/x', ['p', 'mine']]);
  await refused(uploader.unsigned_upload(file, 'web', { return_delete_token: true }), 400, /is not allowed when using unsigned upload/);
  await refused(uploader.unsigned_upload(file, 'none'), 400, /Upload preset not found/);
  await api.update_upload_preset('web', { unsigned: false });
  await refused(uploader.unsigned_upload(file, 'web'), 400, /must be whitelisted/);
  await api.delete_upload_preset('web');
  await refused(api.upload_preset('web'), 404, /Can't find/);
});

test('folders are made, listed, renamed and removed', async () => {
  await api.create_folder('made/deep');
  assert.deepEqual((await api.sub_folders('made')).folders, [{ name: 'deep', path: 'made/deep' }]);
  await api.rename_folder('made', 'renamed');
  await refused(api.sub_folders('made'), 404, /Can't find folder with path made/);
  await uploadBytes(png(), { public_id: 'renamed/deep/a' });
  await refused(api.delete_folder('renamed'), 400, /not empty/);
  await api.delete_resources_by_prefix('renamed/');
  await api.delete_folder('renamed');
});

test('noted transformations are deleted alone', async () => {
  await uploadBytes(png(), { public_id: 'derived', eager: [{ width: 1 }, { width: 2 }] });
  const { derived } = await api.resource('derived');
  assert.equal(derived.length, 2);
  await api.delete_derived_resources([derived[0].id]);
  // The one call whose path the SDK writes as a single segment.
  await api.delete_derived_by_transformation(['derived'], [{ width: 2 }]);
  assert.deepEqual((await api.resource('derived')).derived, []);
});

for (const signature_algorithm of ['sha1', 'sha256']) {
  test(`notifications of calls signed with ${signature_algorithm} verify`, async () => {
    heard.length = 0;
    cloudinary.config({ signature_algorithm });
    try {
      await uploadBytes(png(), { public_id: 'told', notification_url });
      await uploader.rename('told', 'told2', { notification_url, overwrite: true });
      await uploader.destroy('told2', { notification_url });
      for (let tries = 0; heard.length < 3 && tries < 200; tries += 1) await new Promise((soon) => setTimeout(soon, 10));
      assert.deepEqual(heard.map(({ body }) => JSON.parse(body).notification_type), ['upload', 'rename', 'delete']);
      for (const { headers, body } of heard) {
        const [timestamp, signature] = [headers['x-cld-timestamp'], headers['x-cld-signature']];
        assert.ok(cloudinary.utils.verifyNotificationSignature(body, Number(timestamp), String(signature)));
      }
    } finally {
      cloudinary.config(true);
    }
  });
}

test('what is not emulated is refused in so many words', async () => {
  await refused(cloudinary.search.expression('a').execute(), 400, /^Not emulated: /);
  await refused(uploader.multi('x'), 400, /^Not emulated: /);
  await refused(uploadBytes(png(), { raw_convert: 'illegal' }), 400, /Raw convert is invalid/);
  await refused(uploadBytes(png(), { detection: 'illegal' }), 400, /Detection invalid model 'illegal'/);
  await refused(uploadBytes(png(), { eager: { width: 'abc' } }), 400, /Invalid width in transformation: abc/);
  await refused(uploader.upload('http://127.0.0.1:1/a.png'), 400, /^Not emulated: /);
  assert.equal((await get(`${server.emulator.url}/emulator/image/upload/w_abc/x.png`)).status, 400);
});
