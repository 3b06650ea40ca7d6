/** The debugger on the demo page: paste the provider's error, read the cause. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

import { ACCOUNT } from '../support/server.js';
import { browserTest } from './harness.js';

browserTest('a pasted error is explained with its fix, and nothing in it becomes markup', async (desk) => {
  await desk.visit();
  const signature = createHash('sha1').update(`timestamp=1720000000${ACCOUNT.secret}`).digest('hex');
  const error = `Invalid Signature ${signature}. String to sign - 'folder=<b>a</b>&timestamp=1720000000'.`;
  await desk.hook('explain-text').fill(error);
  await desk.hook('explain-button').click();
  const answer = desk.hook('explain-answer');
  await answer.waitFor();
  const text = (await answer.innerText()).replaceAll('\n', ' ');
  assert.match(text, /^folder was sent but not signed\./i);
  assert.match(text, /Sign every parameter that is sent/);
  assert.equal(await answer.locator('b').count(), 0);

  await desk.hook('explain-text').fill('hello');
  await desk.hook('explain-button').click();
  await desk.page.locator('[data-testid="explain-answer"][data-found="false"]').waitFor();
  assert.match(await answer.innerText(), /neither an error/);
});
