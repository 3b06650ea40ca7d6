/**
 * The product as a process of its own, as users start it: signing server and emulator together, in a folder of its own
 * and an all but empty environment, so that neither a variable nor an `.env` of this machine plays a part.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** What the emulator's own account is called, and its secret. */
export const ACCOUNT = { cloud: 'emulator', key: 'emulator-key', secret: 'emulator-secret' };

const START_DEADLINE_MS = 20_000;
const STOP_DEADLINE_MS = 10_000;

/** @typedef {{ env?: Record<string, string>, profiles?: string }} ServerOptions `profiles`: the text of a profiles file */

/**
 * Starts the server and the emulator beside it. A ledger is in the folder too.
 *
 * @param {ServerOptions & { port?: number, emulatorPort?: number }} [options] ports of an earlier start, to come back at
 *   the same addresses; 0 takes free ones
 */
export async function startServer({ port = 0, emulatorPort = 0, env = {}, profiles } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-test-'));
  if (profiles !== undefined) {
    const file = join(folder, 'profiles.toml');
    await writeFile(file, profiles);
    env = { PROFILES_FILE: file, ...env };
  }
  const args = ['serve', '--emulator', '--port', String(port), '--emulator-port', String(emulatorPort)];
  // What a crash leaves behind is in the folder too, and goes with it.
  const child = spawn(binary(), args, { cwd: folder, env: { TMPDIR: folder, ...env }, stdio: ['ignore', 'inherit', 'pipe'] });
  const killChild = () => child.kill('SIGKILL');
  process.once('exit', killChild);
  const log = readLog(child);
  const { url, emulatorUrl } = await log.addresses;

  return {
    url,
    port: Number(new URL(url).port),
    emulatorPort: Number(new URL(emulatorUrl).port),
    emulator: control(emulatorUrl),
    /** Everything it has logged so far. */
    log: () => log.lines.join('\n'),
    /** Ends it at once, as a crash would, or politely. */
    async stop(signal = 'SIGKILL') {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, 'exit', { signal: AbortSignal.timeout(STOP_DEADLINE_MS) });
        child.kill(signal);
        await exited;
      }
      process.off('exit', killChild);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** @typedef {Awaited<ReturnType<typeof startServer>>} Server */

function binary() {
  const path = process.env.COUNTERSIGN_BIN;
  if (!path) throw new Error('COUNTERSIGN_BIN must name the binary to test: start the tests with tests/run');
  return path;
}

/**
 * Collects the log, and waits in it for the two addresses.
 * @param {import('node:child_process').ChildProcess} child
 */
function readLog(child) {
  /** @type {string[]} */
  const lines = [];
  const addresses = new Promise((resolve, reject) => {
    const fail = (/** @type {string} */ why) => reject(new Error(`the server ${why}:\n${lines.join('\n')}`));
    const timer = setTimeout(() => fail('did not start in time'), START_DEADLINE_MS);
    child.once('error', reject);
    child.once('exit', (code, signal) => { clearTimeout(timer); fail(`ended (${code ?? signal})`); });
    let emulatorUrl = '';
    createInterface({ input: /** @type {import('node:stream').Readable} */ (child.stderr) }).on('line', (line) => {
      lines.push(line);
      emulatorUrl ||= /\burl="?(http:[^"\s]+)/.exec(line)?.[1] ?? '';
      const url = /countersign listens on (http:\S+)/.exec(line)?.[1];
      if (!url) return;
      clearTimeout(timer);
      resolve({ url, emulatorUrl });
    });
  });
  return { lines, addresses };
}

/**
 * The emulator's control API. It refuses browsers, so only tests themselves can use it.
 * @param {string} url
 */
function control(url) {
  /** @param {string} method @param {string} path @param {unknown} [body] */
  async function call(method, path, body) {
    const response = await fetch(`${url}/_emulator/${path}`, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }
  return {
    url,
    /** @param {number} seconds */
    advanceClock: (seconds) => call('POST', 'clock', { advance_seconds: seconds }),
    /** @param {object[]} faults what befalls the next requests, in the place of what was set before */
    setFaults: (...faults) => call('POST', 'faults', faults),
    /** @returns {Promise<{ method: string, path: string, status?: number }[]>} */
    requests: async () => (await call('GET', 'requests')).requests,
    /** @returns {Promise<any[]>} */
    assets: async () => (await call('GET', 'assets')).assets.map((/** @type {any} */ entry) => entry.asset),
  };
}

/** A port that is free now. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  server.close();
  await once(server, 'close');
  return port;
}
