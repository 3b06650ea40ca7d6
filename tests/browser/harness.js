/**
 * `browserTest`: a test of the demo page in a real Chromium, against a server of its own. It fails on anything that a
 * user's console would show in red (an error, an exception, something the content security policy blocked) unless the
 * test said beforehand that it expects it.
 */

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';

import { startServer } from '../support/server.js';

const DEADLINE_MS = 20_000;
const TEST_DEADLINE_MS = 120_000;
/** Where a failed test leaves a picture of what it saw. */
export const ARTIFACTS = fileURLToPath(new URL('../../target/browser/', import.meta.url));

/** The Uploadcare component, as npm installs it; the page would take it from a public address otherwise. */
const UPLOADCARE_BUNDLE_DIR = fileURLToPath(new URL('./node_modules/@uploadcare/file-uploader/web', import.meta.url));

const CHROMIUM_ARGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
  // Names of other people's pages, which lead to this machine; what the browser itself has against that is switched off.
  '--host-resolver-rules=MAP *.test 127.0.0.1', '--disable-features=LocalNetworkAccessChecks',
];

/** @typedef {import('../support/server.js').Server} Server */
/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('playwright-core').Locator} Locator */

/** @type {import('playwright-core').Browser} */
let browser;

before(async () => {
  const executablePath = process.env.CHROMIUM;
  if (!executablePath) throw new Error('CHROMIUM must name the browser to test with: start the tests with tests/run');
  browser = await chromium.launch({ executablePath, args: CHROMIUM_ARGS });
});
after(() => browser?.close());

/**
 * @param {string} name a sentence
 * @param {(desk: Desk) => Promise<void>} story
 * @param {import('playwright-core').BrowserContextOptions} [options]
 * @param {import('../support/server.js').ServerOptions} [setup] of the server
 */
export function browserTest(name, story, options = {}, setup = {}) {
  test(name, { timeout: TEST_DEADLINE_MS }, async () => {
    const desk = await Desk.open(options, setup);
    try {
      await story(desk);
      desk.assertQuiet();
    } catch (error) {
      await desk.keepEvidence(name);
      throw error;
    } finally {
      await desk.close();
    }
  });
}

/** What a test works at: a fresh server, a fresh browser profile with the page open in it, and a folder for files. */
export class Desk {
  /** @type {Server} */ server;
  /** @type {import('playwright-core').BrowserContext} */ context;
  /** @type {Page} */ page;
  #folder = mkdtempSync(join(tmpdir(), 'countersign-files-'));
  /** @type {string[]} */ #complaints = [];
  /** @type {RegExp[]} */ #expected = [];
  /** @type {RegExp[]} */ #allowed = [];

  /**
   * @param {import('playwright-core').BrowserContextOptions} options
   * @param {import('../support/server.js').ServerOptions} setup
   */
  static async open(options, setup) {
    const desk = new Desk();
    desk.server = await startServer({ ...setup, env: { UPLOADCARE_BUNDLE_DIR, ...setup.env } });
    desk.context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    desk.context.setDefaultTimeout(DEADLINE_MS);
    desk.page = await desk.context.newPage();
    desk.#listen(desk.page);
    return desk;
  }

  /** @param {Page} page */
  #listen(page) {
    page.on('pageerror', (error) => this.#complaints.push(`exception: ${error.message}`));
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.#complaints.push(`${message.type()}: ${message.text()} (${message.location().url})`);
    });
  }

  /** Opens a demo page and waits until it works. */
  async visit(path = '/unsigned') {
    await this.page.goto(this.server.url + path);
    await this.page.locator('html[data-ready="true"]').waitFor();
  }

  /** @param {...RegExp} patterns complaints that belong to the story, and must be there */
  expect(...patterns) {
    this.#expected.push(...patterns);
  }

  /** @param {...RegExp} patterns complaints that may be there */
  allow(...patterns) {
    this.#allowed.push(...patterns);
  }

  /** Fails if the console has shown what nobody expected, or has not shown what was expected. */
  assertQuiet() {
    const known = [...this.#expected, ...this.#allowed];
    const unexpected = this.#complaints.filter((complaint) => !known.some((pattern) => pattern.test(complaint)));
    assert.deepEqual(unexpected, [], 'the console showed something unexpected');
    const missing = this.#expected.filter((pattern) => !this.#complaints.some((complaint) => pattern.test(complaint)));
    assert.deepEqual(missing, [], 'the console did not show what was expected');
  }

  // ---- What a user does --------------------------------------------------------------------------------------------

  /**
   * Chooses files through the page's file input.
   * @param {Record<string, Uint8Array>} files by name
   */
  async choose(files) {
    await this.hook('file-input').setInputFiles(this.write(files));
  }

  /**
   * Writes files to disk, where a browser finds them as it would find a user's.
   * @param {Record<string, Uint8Array>} files by name
   * @returns {string[]} paths
   */
  write(files) {
    return Object.entries(files).map(([name, bytes]) => {
      const path = join(this.#folder, name);
      writeFileSync(path, bytes);
      return path;
    });
  }

  /** A new folder beside the files. @param {string} name */
  makeFolder(name) {
    const path = join(this.#folder, name);
    mkdirSync(path);
    return path;
  }

  async switchToPrivate() {
    await this.hook('private-switch').setChecked(true, { force: true });
  }

  async submit() {
    await this.hook('submit').click();
  }

  /**
   * Asks for a download link and waits until the card shows a live one.
   * @param {Locator} card
   * @returns {Promise<string>} its address
   */
  async getDownloadLink(card) {
    await card.getByTestId('download-link-button').click();
    // The place for the link is there from the start, but empty.
    await card.getByTestId('download-link').and(this.page.locator('[href]')).waitFor();
    return /** @type {string} */ (await card.getByTestId('download-link').getAttribute('href'));
  }

  // ---- What a user sees --------------------------------------------------------------------------------------------

  /** @param {string} testId @returns {Locator} */
  hook(testId) {
    return this.page.getByTestId(testId);
  }

  /** The card of a file. @param {string} filename */
  item(filename) {
    return this.hook('item').filter({ has: this.page.getByTestId('name').getByText(filename, { exact: true }) });
  }

  /**
   * Waits until a file's card is in a state, and fails at once if it ends in another.
   * @param {string} filename
   * @param {'queued' | 'signing' | 'uploading' | 'done' | 'failed' | 'cancelled' | 'deleted'} state
   * @param {number} [timeout] in milliseconds
   */
  async until(filename, state, timeout = DEADLINE_MS) {
    // What is to be deleted is done until then; in every other case `done` is the end.
    const ends = state === 'deleted' ? [state] : [state, 'done', 'failed', 'cancelled', 'deleted'];
    const reached = ends.map((end) => `[data-state="${end}"]`).join(',');
    const card = this.item(filename);
    await card.and(this.page.locator(reached)).waitFor({ timeout }).catch(() => {});
    const found = await card.getAttribute('data-state');
    const why = found === 'failed' ? await card.getByTestId('error').textContent() : '';
    assert.equal(found, state, `${filename}: ${why}`);
    return card;
  }

  /**
   * Waits until an element's text is, or matches, what a user should read there.
   * @param {Locator} locator
   * @param {string | RegExp} words
   */
  async reads(locator, words) {
    const fits = (/** @type {string} */ text) => (words instanceof RegExp ? words.test(text) : text === words);
    const deadline = Date.now() + DEADLINE_MS;
    let text = await locator.innerText();
    while (!fits(text) && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      text = await locator.innerText();
    }
    assert.ok(fits(text), `${locator} should read ${words} but reads "${text}"`);
    return text;
  }

  /** Fails if the page is wider than the screen. @param {string} when */
  async fits(when) {
    const { content, screen, widest } = await this.page.evaluate(() => {
      const root = document.documentElement;
      const culprits = [...document.body.querySelectorAll('*')].filter((each) => each.getBoundingClientRect().right > root.clientWidth + 1);
      return { content: root.scrollWidth, screen: root.clientWidth, widest: culprits.slice(0, 5).map((each) => each.outerHTML.slice(0, 80)) };
    });
    assert.ok(content <= screen, `${when}: ${content} px of content on ${screen} px: ${widest.join('\n')}`);
  }

  /** Which element has the keyboard's attention, by its test hook or id. */
  async focus() {
    return this.page.evaluate(() => document.activeElement?.getAttribute('data-testid') ?? document.activeElement?.id ?? '');
  }

  /**
   * Slows the browser's network down, both ways.
   * @param {number} bytesPerSecond
   */
  async slowDown(bytesPerSecond) {
    const session = await this.context.newCDPSession(this.page);
    await session.send('Network.emulateNetworkConditions', {
      offline: false, latency: 0, downloadThroughput: bytesPerSecond, uploadThroughput: bytesPerSecond,
    });
    return { full: () => session.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 }) };
  }

  // ---- Without the page --------------------------------------------------------------------------------------------

  /** Bytes behind a URL, fetched by somebody without the page. @param {string} url */
  async fetchBytes(url) {
    const response = await fetch(url);
    return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) };
  }

  /** @param {{ type: string, url: string }[]} urls */
  async deleteThroughApi(urls) {
    const response = await fetch(`${this.server.url}/delete-files`, {
      method: 'DELETE',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ urls }),
    });
    return response.json();
  }

  // ---- The end -----------------------------------------------------------------------------------------------------

  /** @param {string} name */
  async keepEvidence(name) {
    mkdirSync(ARTIFACTS, { recursive: true });
    const base = join(ARTIFACTS, name.replace(/\W+/g, '-').slice(0, 80));
    await this.page.screenshot({ path: `${base}.png`, fullPage: true }).catch(() => {});
    writeFileSync(`${base}.log`, `${this.#complaints.join('\n')}\n\n${this.server.log()}\n`);
    console.error(`evidence: ${base}.png and .log`);
  }

  async close() {
    await this.context.close();
    await this.server.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
