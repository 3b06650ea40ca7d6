/** Delivery URLs that the SDK makes address, for /delete-files, the public id they were made of. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { cloudinary, remove } from './harness.js';

/** Public ids that are hard to cut out of a URL. */
const PUBLIC_IDS = [
  'sample', 'folder/sample', 'a/b/c/d/e/f', 'v1/not_a_version', 'v2024', 'w_100', 'w_100/logo', 'c_fill,w_200/photo', 't_named/photo',
  'e_sepia', 'if_end/x', '$x_10/y', 's--notasig--/photo', 'my_folder/x_y', 'upload', 'raw/private/doc', 'fl_lossy',
  'with space', 'two  spaces/and more', 'ünïcödé/fïlé', '日本語/写真', 'emoji-🦊/tail', 'كتاب/صفحة', 'comma,separated', "quote's", 'paren(1)',
  'star*', 'tilde~', 'at@home', 'semi;colon', 'equals=sign', 'dollar$', 'exclaim!', 'colon:id', 'brackets[1]', 'curly{2}', 'pipe|d', 'caret^',
  'dots.in.the.name', 'archive.v2', 'trailing-dash-', '-leading', '_under', 'UPPER/Case', '1234567890', 'a', 'kyc/1/passport_x7Gh2k',
];

const TRANSFORMATIONS = {
  none: {},
  crop: { width: 100, height: 150, crop: 'fill', gravity: 'auto' },
  chain: { transformation: [{ width: 100, crop: 'scale' }, { effect: 'sepia:50', angle: [90, 'hflip'] }, { radius: 'max' }] },
  named: { transformation: 'thumbnail' },
  both: { transformation: ['thumbnail', 'blip'], fetch_format: 'auto', quality: 'auto' },
  text: { overlay: { font_family: 'Times New Roman', font_size: 70, font_weight: 'bold', text: 'a, b/c é 100% & 🦊' } },
  layer: { overlay: 'folder:logo', gravity: 'south_east', x: 5, y: -5, opacity: 40 },
  fetched: { overlay: { url: 'https://example.com/a/b,c.png?x=1&y=2' } },
  raw: { raw_transformation: 'w_200,h_200/e_grayscale/fl_layer_apply,g_north' },
  condition: { transformation: [{ if: 'w_lt_200 && h > 100' }, { crop: 'fill', height: 120, width: 80 }, { effect: 'shadow', color: 'red' }, { if: 'end' }] },
  variables: { variables: [['$w', 100], ['$name', '!a:b!']], width: '$w * 2', crop: 'scale', overlay: { text: '$(name)', font_family: 'Arial', font_size: 18 } },
  colour: { background: '#ff000080', border: { width: 4, color: '#abcdef' }, color_space: 'srgb', dpr: 2.0, page: 3, density: 150, flags: ['lossy', 'progressive'] },
  custom: { custom_function: { function_type: 'wasm', source: 'blur.wasm' }, aspect_ratio: '16:9', crop: 'pad', zoom: 1.5 },
};

const WAYS = {
  plain: {},
  version: { version: 1719307544 },
  unforced: { version: 1 },
  signed: { sign_url: true },
  'signed, long': { sign_url: true, long_url_signature: true, version: 12 },
  'signed, SHA-256': { sign_url: true, signature_algorithm: 'sha256' },
  token: { sign_url: true, auth_token: { key: '00112233FF99', start_time: 1111111111, duration: 300 }, version: 5 },
  sharded: { cdn_subdomain: true, secure_cdn_subdomain: true },
  'private host': { private_cdn: true },
  'private host, sharded, signed': { private_cdn: true, cdn_subdomain: true, secure_cdn_subdomain: true, sign_url: true },
  'no analytics': { urlAnalytics: false },
};

/** @typedef {{ id: string, type: string, url: string }} Sample */

/** @param {string} id @param {any} options @returns {Sample} */
function sample(id, options) {
  // The SDK empties the options it is given.
  const { resource_type = 'image' } = options;
  return { id, type: resource_type, url: cloudinary.url(id, { secure: true, ...structuredClone(options) }) };
}

/**
 * Asks for the deletion of nothing that exists, at most a thousand a call.
 * @param {Sample[]} samples
 */
async function assertAddressed(samples) {
  assert.ok(samples.length > 0);
  for (let start = 0; start < samples.length; start += 1000) {
    const batch = samples.slice(start, start + 1000);
    const results = await remove(batch.map(({ type, url }) => ({ type, url })));
    const wrong = batch.flatMap(({ id, url }, index) => {
      const { publicId, outcome } = results[index];
      return publicId === id && outcome === 'not_found' ? [] : [{ id, url, publicId, outcome }];
    });
    assert.deepEqual(wrong, [], `${wrong.length} of ${batch.length}`);
  }
}

/** @template A, B @param {A[]} left @param {B[]} right @returns {[A, B][]} */
function pairs(left, right) {
  return left.flatMap((a) => right.map((b) => /** @type {[A, B]} */ ([a, b])));
}

for (const [name, way] of Object.entries(WAYS)) {
  test(`pictures with every transformation: ${name}`, async () => {
    const samples = pairs(PUBLIC_IDS, Object.values(TRANSFORMATIONS)).map(([id, transformation]) => sample(id, { format: 'jpg', ...transformation, ...way }));
    await assertAddressed(samples.filter(isUnambiguous));
  });
}

/**
 * Without a version nobody can tell a folder that looks like a transformation or a version from one; the SDK adds `v1`
 * to most of them, but not to ids that begin with `v` and a digit.
 * @param {Sample} sample
 */
function isUnambiguous({ id, url }) {
  return !id.startsWith('v1/') || /\/v(1|5|12|1719307544)\/v1\//.test(url);
}

test('films, posters and delivery types', async () => {
  const kinds = [
    { resource_type: 'video', format: 'mp4' }, { resource_type: 'video', format: 'jpg' }, { resource_type: 'video', format: 'm3u8', streaming_profile: 'hd' },
    { resource_type: 'video', format: 'webm', start_offset: '10%', end_offset: 20, bit_rate: '500k', video_codec: 'vp9' },
    { type: 'private', format: 'png' }, { type: 'private', format: 'png', sign_url: true }, { type: 'authenticated', format: 'webp', sign_url: true },
    { resource_type: 'video', type: 'authenticated', format: 'mp4', sign_url: true }, { resource_type: 'video', type: 'private', format: 'mov', width: 200, crop: 'scale' },
  ];
  await assertAddressed(pairs(PUBLIC_IDS, kinds).map(([id, kind]) => sample(id, kind)).filter(isUnambiguous));
});

test('raw files keep their extension', async () => {
  const kinds = [{}, { type: 'private' }, { type: 'authenticated', sign_url: true }, { version: 7 }, { private_cdn: true }].map((kind) => ({ resource_type: 'raw', ...kind }));
  const ids = PUBLIC_IDS.flatMap((id) => [`${id}.docx`, `${id}.tar.gz`, `${id}.jpg`, id]);
  await assertAddressed(pairs(ids, kinds).map(([id, kind]) => sample(id, kind)).filter(isUnambiguous));
});

test('no format at all', async () => {
  const ids = PUBLIC_IDS.filter((id) => id !== 'v2024');
  await assertAddressed(ids.map((id) => sample(id, {})).filter(isUnambiguous));
});

test('addresses with a suffix for search engines', async () => {
  const kinds = [
    { format: 'jpg' }, { format: 'jpg', width: 100, crop: 'scale' }, { format: 'jpg', sign_url: true, version: 3 }, { type: 'private', format: 'png' },
    { type: 'authenticated', format: 'png', sign_url: true }, { resource_type: 'video', format: 'mp4' }, {},
  ].map((kind) => ({ ...kind, private_cdn: true, url_suffix: 'a-name-for-people' }));
  await assertAddressed(pairs(PUBLIC_IDS, kinds).map(([id, kind]) => sample(id, kind)).filter(isUnambiguous));
  const raw = PUBLIC_IDS.map((id) => sample(id, { resource_type: 'raw', private_cdn: true, url_suffix: 'a-name-for-people' }));
  await assertAddressed(raw.filter(isUnambiguous));
});

test('shortened and rootless addresses', async () => {
  const ids = PUBLIC_IDS.filter((id) => id !== 'upload');
  await assertAddressed(ids.map((id) => sample(id, { shorten: true, format: 'jpg', version: 9 })));
  await assertAddressed(ids.map((id) => sample(id, { shorten: true, format: 'jpg', width: 9, crop: 'scale', version: 9 })));
  await assertAddressed(ids.map((id) => sample(id, { use_root_path: true, private_cdn: true, format: 'jpg', version: 9 })));
});

test('an address of another cloud or host is refused before anything is deleted', async () => {
  const good = sample('sample', { format: 'jpg' });
  for (const options of [{ cloud_name: 'other' }, { cloud_name: 'other', private_cdn: true }, { secure_distribution: 'media.example.com', private_cdn: true }, { secure: false }]) {
    const bad = sample('sample', { format: 'jpg', ...options });
    await assert.rejects(remove([good, bad].map(({ type, url }) => ({ type, url }))), /400 .*\[1\]/, bad.url);
  }
});
