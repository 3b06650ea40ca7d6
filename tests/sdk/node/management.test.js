/** Structured metadata, the search, transformations under names, and lists that show what was asked for. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { png } from '../../support/files.js';
import { cloudinary, uploadBytes } from './harness.js';

const { api, search, uploader } = cloudinary;

/** @param {Promise<unknown>} call @param {number} status @param {RegExp} text */
async function refused(call, status, text) {
  await assert.rejects(call, (/** @type {any} */ failure) => {
    const error = failure.error ?? failure;
    assert.match(error.message, text);
    assert.equal(error.http_code, status);
    return true;
  });
}

/** @param {any} datasource */
const values = (datasource) => datasource.values.map((/** @type {any} */ entry) => entry.value);

test('fields of structured metadata are defined, changed, sorted, and gone for good', async () => {
  const day = { external_id: 'day', label: 'Day', type: /** @type {any} */ ('date'), validation: /** @type {any} */ ({ type: 'less_than', value: '2030-01-01' }) };
  const made = await api.add_metadata_field({ ...day, default_value: '2029-12-31' });
  assert.deepEqual([made.type, made.mandatory, made.validation.equals], ['date', false, false]);
  await refused(api.add_metadata_field({ ...day, external_id: 'late', default_value: '2030-01-01' }), 400, /default_value is invalid/);
  const list = [{ value: 'v2', external_id: 'two' }, { value: 'v3' }, { value: 'v4' }];
  await api.add_metadata_field({ external_id: 'some', label: 'Some', type: /** @type {any} */ ('set'), datasource: { values: list } });
  assert.deepEqual(values(await api.update_metadata_field_datasource('some', { values: [{ value: 'v5', external_id: 'two' }] })), ['v5', 'v3', 'v4']);
  assert.deepEqual(values(await api.order_metadata_field_datasource('some', 'value', 'asc')), ['v3', 'v4', 'v5']);
  assert.deepEqual(values(await api.delete_datasource_entries('some', ['two'])), ['v3', 'v4']);
  assert.deepEqual(values(await api.restore_metadata_field_datasource('some', ['two'])), ['v3', 'v4', 'v5']);
  assert.deepEqual((await api.reorder_metadata_fields('label', 'desc')).metadata_fields.map((/** @type {any} */ one) => one.label), ['Some', 'Day']);
  assert.equal((await api.update_metadata_field('some', /** @type {any} */ ({ label: 'Several' }))).label, 'Several');
  assert.equal((await api.metadata_field_by_field_id('some')).label, 'Several');

  const stored = await uploadBytes(png(), { public_id: 'dated', metadata: { some: ['two'] } });
  assert.deepEqual(stored.metadata, { day: '2029-12-31', some: ['two'] }, 'the default is filled in');
  await refused(uploadBytes(png(), { metadata: { unknown: '1' } }), 400, /Invalid value {2}for parameter kind/);
  for (const id of ['day', 'some']) assert.equal((await api.delete_metadata_field(id)).message, 'ok');
  assert.equal((await api.resource('dated')).metadata, undefined);
  await refused(api.add_metadata_field(day), 400, /external id day already exists/);
});

test('a search finds by tag, id and context, page by page', async () => {
  const stored = [];
  for (const [id, stage] of [['found/1', 'new'], ['found/2', 'in_review'], ['found/3', 'validated']]) {
    stored.push(await uploadBytes(png(), { public_id: id, tags: ['looked_for', 'other'], context: { stage } }));
  }
  const count = async (/** @type {string} */ expression) => (await search.expression(expression).execute()).resources.length;
  assert.equal(await count('tags:looked_for'), 3);
  assert.equal(await count('public_id:found/1'), 1);
  assert.equal(await count(`asset_id=${stored[0].asset_id} OR asset_id:${stored[1].asset_id}`), 2);
  assert.equal(await count('folder=found AND NOT context.stage:review AND uploaded_at>1d'), 2);

  const seen = [];
  for (let next_cursor = ''; ;) {
    const page = await search.expression('tags:looked_for').sort_by('public_id', 'asc').max_results(1).next_cursor(next_cursor).execute();
    assert.equal(page.total_count, 3);
    seen.push(...page.resources.map((/** @type {any} */ one) => one.public_id));
    if (!(next_cursor = page.next_cursor)) break;
  }
  assert.deepEqual(seen, ['found/1', 'found/2', 'found/3']);
  const { resources } = await search.expression('tags=looked_for').with_field('context').with_field('tags').execute();
  for (const one of resources) assert.deepEqual([Object.keys(one.context), one.tags.length], [['stage'], 2]);
  await refused(search.expression('looked_for').execute(), 400, /^Not emulated: /);
  await refused(search.expression('tags:a').aggregate('format').execute(), 400, /^Not emulated: /);

  await api.create_folder('found/deeper');
  const folders = await cloudinary.search_folders.expression('path=found*').sort_by('path', 'asc').execute();
  assert.deepEqual(folders.folders, [{ name: 'found', path: 'found' }, { name: 'deeper', path: 'found/deeper' }]);
});

test('a transformation is kept under a name', async () => {
  await api.create_transformation('thumb', { crop: 'scale', width: 102 });
  const made = await api.transformation('thumb');
  assert.deepEqual([made.info, made.used, made.allowed_for_strict], [[{ crop: 'scale', width: 102 }], false, true]);
  await api.update_transformation('thumb', { unsafe_update: { crop: 'scale', width: 103, format: '' } });
  const stored = await uploadBytes(png(), { public_id: 'thumbed', eager: [{ transformation: 'thumb' }, { width: 7, crop: 'scale' }] });
  assert.deepEqual(stored.eager.map((/** @type {any} */ one) => one.transformation), ['t_thumb', 'c_scale,w_7']);
  assert.equal((await api.transformation('thumb')).used, true);
  assert.deepEqual((await api.transformation({ width: 7, crop: 'scale' })).info, [{ crop: 'scale', width: 7 }]);
  await api.update_transformation('c_scale,w_7', { allowed_for_strict: true });
  assert.equal((await api.transformation('c_scale,w_7')).allowed_for_strict, true);
  assert.deepEqual((await api.transformations({ named: true })).transformations.map((/** @type {any} */ one) => one.name), ['t_thumb']);
  for (const name of ['thumb', 'c_scale,w_7']) {
    await api.delete_transformation(name);
    await refused(api.transformation(name), 404, /Can't find transformation/);
  }
});

test('related assets are related both ways', async () => {
  const [first, second] = await Promise.all(['kin/1', 'kin/2'].map((public_id) => uploadBytes(png(), { public_id })));
  const kin = async (/** @type {string} */ id) => (await api.resource(id, { related: true })).related_assets.map((/** @type {any} */ one) => one.public_id);
  const related = await api.add_related_assets('kin/1', ['image/upload/kin/2', 'image/upload/none']);
  assert.deepEqual([related.success[0].asset, related.failed[0].status], ['image/upload/kin/2', 404]);
  assert.deepEqual([await kin('kin/1'), await kin('kin/2')], [['kin/2'], ['kin/1']]);
  await api.delete_related_assets_by_asset_id(second.asset_id, [first.asset_id]);
  assert.deepEqual([await kin('kin/1'), await kin('kin/2')], [[], []]);
  await api.add_related_assets_by_asset_id(first.asset_id, second.asset_id);
  await api.delete_related_assets('kin/2', 'image/upload/kin/1');
  assert.deepEqual(await kin('kin/1'), []);
  assert.equal((await api.resource('kin/1')).related_assets, undefined);
  await refused(api.add_related_assets('none', ['image/upload/kin/1']), 404, /Resource not found - none/);
});

test('lists and details show what was asked for, and no more', async () => {
  const { asset_id } = await uploadBytes(png(), { public_id: 'brief', tags: ['b', 'a'], face_coordinates: [[120, 30, 900, 900]] });
  for (const list of [
    api.resources({ fields: ['tags'] }),
    api.resources_by_ids(['brief'], { fields: ['tags'] }),
    api.resources_by_tag('a', { fields: ['tags'] }),
    api.resources_by_asset_ids([asset_id], { fields: ['tags'] }),
  ]) {
    const { resources } = await list;
    assert.deepEqual(Object.keys(resources[0]).sort(), ['asset_id', 'folder', 'public_id', 'tags']);
  }
  const brief = await api.resource('brief');
  assert.deepEqual([brief.tags, brief.faces], [['a', 'b'], undefined]);
  assert.deepEqual((await api.resource('brief', { faces: true })).faces, [[120, 30, 160, 120]], 'cut to the picture');
  const { public_ids } = await uploader.remove_all_tags(['brief', 'none']);
  assert.deepEqual(public_ids, ['brief']);
  assert.equal((await api.resource('brief')).tags, undefined);
});
