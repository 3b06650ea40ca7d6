/** The official SDK, unmodified, pointed at a server of our own as its users would do it: by CLOUDINARY_URL. */

import { after } from 'node:test';

import { ACCOUNT, startServer } from '../../support/server.js';

/** The server of all tests in a file. */
// The tests listen for notifications on ports of their own, which the emulator notifies only if it is told to.
export const server = await startServer({ env: { EMULATOR_ALLOW: 'notifications', CLOUDINARY_DOWNLOAD_URL: `cloudinary://links-key:links-secret@${ACCOUNT.cloud}` } });
after(() => server.stop());

/** The key that the server signs download links with. */
export const LINKS = { api_key: 'links-key', api_secret: 'links-secret' };

pointEnvironmentAt(server.emulator.url);
// Loaded only now, because the SDK decides between http and https while it is loaded.
export const { v2: cloudinary } = await import('cloudinary');

/**
 * @param {string} origin
 * @param {typeof ACCOUNT} [account]
 */
function pointEnvironmentAt(origin, { cloud, key, secret } = ACCOUNT) {
  process.env.CLOUDINARY_URL = `cloudinary://${key}:${secret}@${cloud}?upload_prefix=${origin}`;
}

/**
 * Runs a part of a test with another account or other settings, and puts everything back afterwards.
 * @param {{ origin?: string, account?: typeof ACCOUNT, settings?: import('cloudinary').ConfigOptions }} other
 * @param {() => Promise<void>} part
 */
export async function configured({ origin = server.emulator.url, account = ACCOUNT, settings = {} }, part) {
  try {
    pointEnvironmentAt(origin, account);
    cloudinary.config(true);
    cloudinary.config(settings);
    await part();
  } finally {
    pointEnvironmentAt(server.emulator.url);
    cloudinary.config(true);
  }
}

/**
 * Calls the signing server and opens its envelope.
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 */
export async function ask(method, path, body) {
  const response = await fetch(server.url + path, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
  });
  const { status, data, message } = await response.json();
  if (status !== 'success') throw new Error(`${method} ${path}: ${response.status} ${message}`);
  return data;
}

/**
 * @param {{ type: string, url: string }[]} urls
 * @returns {Promise<{ url: string, publicId: string, outcome: string }[]>}
 */
export async function remove(urls) {
  return (await ask('DELETE', '/delete-files', { urls })).results;
}

/** @param {string} url */
export async function get(url) {
  const response = await fetch(url);
  return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) };
}

/**
 * A delivery URL made by the SDK, at the emulator instead of the provider's own host.
 * @param {string} publicId
 * @param {import('cloudinary').UrlOptions} options
 */
export function deliveryUrl(publicId, options) {
  return cloudinary.url(publicId, { secure: true, ...options }).replace('https://res.cloudinary.com', server.emulator.url);
}

/**
 * Uploads bytes through the SDK, as a stream.
 * @param {Uint8Array} bytes
 * @param {import('cloudinary').UploadApiOptions} options
 * @returns {Promise<import('cloudinary').UploadApiResponse>}
 */
export function uploadBytes(bytes, options) {
  return promise((done) => cloudinary.uploader.upload_stream(options, done).end(bytes));
}

/**
 * What the SDK hands to a callback, as a promise.
 * @param {(done: (error: any, result: any) => void) => void} call
 * @returns {Promise<any>}
 */
export function promise(call) {
  return new Promise((resolve, reject) => call((error, result) => (error ? reject(error) : resolve(result))));
}
