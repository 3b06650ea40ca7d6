/**
 * Ten thousand generated parameter sets, signed by the official SDK and by `countersign sign --batch`: not one difference,
 * with both algorithms and both versions. What the SDKs do not agree on among themselves is in docs/differences.md.
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { v2 as cloudinary } from 'cloudinary';

const SETS = 10_000;
const SECRET = 'a secret/with+all=kinds&of%signs é';

const folder = mkdtempSync(join(tmpdir(), 'countersign-parity-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const secretFile = join(folder, 'secret');
writeFileSync(secretFile, `${SECRET}\n`);

/** The same numbers in every run (mulberry32). */
function generator(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const random = generator(20_240_703);
const below = (end) => Math.floor(random() * end);
const oneOf = (items) => items[below(items.length)];
const many = (most, make) => Array.from({ length: below(most + 1) }, make);

const NAMES = [
  'timestamp', 'public_id', 'folder', 'tags', 'context', 'metadata', 'eager', 'transformation', 'type', 'notification_url', 'use_filename',
  'unique_filename', 'overwrite', 'allowed_formats', 'moderation', 'upload_preset', 'callback', 'source', 'custom_coordinates',
  'face_coordinates', 'headers', 'access_control', 'public_ids', 'display_name', 'asset_folder', 'invalidate', 'phash', 'file', 'cloud_name',
  'resource_type', 'api_key', 'signature', 'version', 'format', 'attachment', 'expires_at', 'responsive_breakpoints', 'backup', 'eval',
];

const PIECES = [
  'a', 'B', '7', ' ', '&', '=', '%26', '%', '%2F', '+', '?', '/', '\\', '"', "'", '\n', '\r\n', '\t', ',', '|', '\\=', '\\|', ';', ':', '#', '<', '{', '[',
  'é', 'ß', 'ñ', '中文', 'العربية', '🦊', '👩‍👩‍👧', 'e\u0301', '\u00a0', '\u202e', '\u2028', '\u0000', '\u007f', '\ufeff', '&amp;', 'k=v', 'k=v|k2=v2', 'true', 'null', 'undefined', 'tags=x', '&type=upload',
];

const text = () => many(6, () => oneOf(PIECES)).join('');
const values = [
  text, text, text, text,
  () => many(4, text),
  () => many(3, () => oneOf([text(), below(100), random() < 0.5, null])),
  () => many(2, () => many(3, text)),
  () => random() < 0.5,
  () => below(2_000_000_000),
  () => below(10),
  () => -below(1000),
  () => below(1e6) / oneOf([1, 2, 8, 10, 1000, 3e9, 7e-18]),
  () => '',
  () => null,
  () => JSON.stringify([{ access_type: 'token', text: text() }]),
];

function plainSet() {
  return Object.fromEntries(many(9, () => [oneOf(NAMES), oneOf(values)()]));
}

/** What the SDK's upload call would sign: its own spelling of nested context, metadata, coordinates and transformations. */
function uploadSet() {
  const options = {
    timestamp: 1_720_000_000 + below(1e6),
    public_id: text(),
    tags: many(3, text),
    context: { caption: text(), alt: text(), list: many(2, text) },
    metadata: { field: text(), set: many(3, text) },
    eager: many(2, () => ({ width: below(500) + 1, crop: 'fill', overlay: `text:Arial_20:${encodeURIComponent(text())}` })),
    face_coordinates: many(2, () => [below(9), below(9), below(9), below(9)]),
    headers: many(2, () => `X-Header: ${below(9)}`),
    use_filename: oneOf([true, false, undefined]),
    notification_url: `https://example.com/hook?a=${below(9)}&b=${below(9)}`,
    access_control: [{ access_type: 'anonymous', start: '2024-07-03T00:00:00Z' }],
  };
  return cloudinary.utils.build_upload_params(options);
}

const sets = Array.from({ length: SETS }, (_, index) => (index % 4 === 3 ? uploadSet() : plainSet()));
const lines = sets.map((set) => JSON.stringify(set));

for (const algorithm of ['sha1', 'sha256']) {
  for (const version of [1, 2]) {
    test(`${SETS} sets are signed as the SDK signs them: ${algorithm}, version ${version}`, () => {
      const args = ['sign', '--batch', '--algorithm', algorithm, '--signature-version', String(version), '--secret-file', secretFile];
      const output = execFileSync(binary(), args, { cwd: folder, env: {}, input: `${lines.join('\n')}\n`, maxBuffer: 2 ** 30 });
      const answers = output.toString().trimEnd().split('\n').map((line) => JSON.parse(line));
      assert.equal(answers.length, SETS);
      const differences = sets.flatMap((set, index) => {
        const expected = cloudinary.utils.api_sign_request(set, SECRET, algorithm, version);
        return answers[index].signature === expected ? [] : [{ set: lines[index], answer: answers[index], expected }];
      });
      assert.deepEqual(differences.slice(0, 3), [], `${differences.length} differences`);
    });
  }
}

function binary() {
  const path = process.env.COUNTERSIGN_BIN;
  if (!path) throw new Error('COUNTERSIGN_BIN must name the binary to test: start the tests with tests/run');
  return path;
}
