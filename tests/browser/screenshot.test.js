/** The picture in the README, taken of the real page. With UPDATE_SCREENSHOT=1 it replaces docs/demo.png. */

import assert from 'node:assert/strict';
import { mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { pdf } from '../support/files.js';
import { ARTIFACTS, browserTest } from './harness.js';
import { jpeg } from './pictures.js';

const LARGEST_BYTES = 300_000;
const WIDTH = 1280;
const MARGIN = 24;

const picture = process.env.UPDATE_SCREENSHOT === '1'
  ? fileURLToPath(new URL('../../docs/demo.png', import.meta.url))
  : join(ARTIFACTS, 'demo.png');

browserTest('the page with three uploads, a link that is running out and what was signed fits into one picture', async (desk) => {
  await desk.visit();
  const size = { width: 1620, height: 1080 };
  await desk.choose({ 'alps at dawn.jpg': await jpeg(desk, 'dawn', size), 'annual report.pdf': pdf('Annual report '.repeat(9000)) });
  await desk.submit();
  await desk.until('alps at dawn.jpg', 'done');
  await desk.until('annual report.pdf', 'done');
  await desk.switchToPrivate();
  await desk.choose({ 'above the lake.jpg': await jpeg(desk, 'lake', size) });
  await desk.submit();
  const card = await desk.until('above the lake.jpg', 'done');
  await desk.getDownloadLink(card);
  await card.getByTestId('signed').locator('summary').click();
  await desk.page.mouse.move(0, 0);
  // A box is measured from the edge of the window, a picture of the full page from its top.
  await desk.page.evaluate(() => { /** @type {HTMLElement} */ (document.activeElement)?.blur(); scrollTo(0, 0); });
  // Eight seconds in, the countdown shows that it counts.
  await desk.reads(card.getByTestId('countdown'), '0:52');

  const part = await desk.page.locator('#uploads').boundingBox();
  const clip = { x: 0, y: part.y - MARGIN, width: WIDTH, height: part.height + 2 * MARGIN };
  mkdirSync(dirname(picture), { recursive: true });
  await desk.page.screenshot({ path: picture, clip, fullPage: true, animations: 'disabled' });
  const { size: bytes } = statSync(picture);
  assert.ok(bytes < LARGEST_BYTES, `${bytes} bytes are too many for a README`);
}, { viewport: { width: WIDTH, height: 900 }, colorScheme: 'light', deviceScaleFactor: 1, locale: 'en-GB' });
