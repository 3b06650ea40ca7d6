/** `countersign sign --batch` and the SDK sign the same objects alike, thousands of them, in every way there is. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { cloudinary } from './harness.js';

const SETS = 2_000;
const SECRET = 'a secret/with+all=kinds&of%signs é';

const folder = mkdtempSync(join(tmpdir(), 'countersign-parity-'));
const secretFile = join(folder, 'secret');
writeFileSync(secretFile, SECRET);
after(() => rmSync(folder, { recursive: true, force: true }));

/** Names that the Upload API knows; other names may be sorted differently by different SDKs. */
const NAMES = [
  'access_mode', 'allowed_formats', 'async', 'auto_tagging', 'backup', 'callback', 'categorization', 'colors', 'context',
  'custom_coordinates', 'detection', 'discard_original_filename', 'eager', 'eager_async', 'eager_notification_url', 'exif',
  'face_coordinates', 'faces', 'filename_override', 'folder', 'format', 'headers', 'invalidate', 'metadata', 'moderation',
  'notification_url', 'ocr', 'overwrite', 'phash', 'proxy', 'public_id', 'public_ids', 'quality_analysis', 'raw_convert',
  'responsive_breakpoints', 'return_delete_token', 'source', 'tags', 'timestamp', 'transformation', 'type', 'unique_filename',
  'upload_preset', 'use_filename',
];
const PIECES = ['a', 'Z', '7', ' ', '&', '=', '%', '%26', '%2C', ',', '|', '\\', '/', '?', '#', '+', '"', "'", '<', '\n', '\t', 'é', '漢', '🦊', '\u0301', '\u2028', 'tags=x', '&type=upload'];

/** The same sequence in every run. @param {number} seed */
function createDice(seed) {
  let state = seed;
  return (/** @type {number} */ sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

/** @param {(sides: number) => number} dice */
function makeSet(dice) {
  const text = () => Array.from({ length: dice(8) }, () => PIECES[dice(PIECES.length)]).join('');
  const kinds = [
    text, text, text, () => Array.from({ length: dice(4) }, text), () => dice(2) === 1, () => dice(2_000_000_000), () => (dice(2_000) - 1_000) / 8, () => '', () => null,
  ];
  const members = Array.from({ length: 1 + dice(8) }, () => [NAMES[dice(NAMES.length)], kinds[dice(kinds.length)]()]);
  return Object.fromEntries(members);
}

const dice = createDice(20_240_703);
const sets = Array.from({ length: SETS }, () => makeSet(dice));

for (const algorithm of ['sha1', 'sha256']) {
  for (const version of [1, 2]) {
    test(`${SETS} sets of parameters are signed alike: ${algorithm}, version ${version}`, () => {
      const args = ['sign', '--batch', '--algorithm', algorithm, '--signature-version', String(version), '--secret-file', secretFile];
      const { status, stdout, stderr } = spawnSync(/** @type {string} */ (process.env.COUNTERSIGN_BIN), args, {
        cwd: folder, env: {}, encoding: 'utf8', maxBuffer: 100_000_000, input: sets.map((set) => `${JSON.stringify(set)}\n`).join(''),
      });
      assert.equal(status, 0, stderr);
      const ours = stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
      assert.equal(ours.length, SETS);
      const wrong = sets.flatMap((set, index) => {
        const signature = cloudinary.utils.api_sign_request(set, SECRET, algorithm, version);
        return signature === ours[index].signature ? [] : [{ set, theirs: signature, ours: ours[index] }];
      });
      assert.deepEqual(wrong.slice(0, 3), [], `${wrong.length} of ${SETS}`);
    });
  }
}
