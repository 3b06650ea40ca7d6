// @ts-check
/** The Uploadcare page: the provider's own component, its resolver, and what it reports. */

import { uploadcareResolver } from './countersign.js';

/**
 * What the page uses of the component.
 * @typedef {HTMLElement & { secureUploadsSignatureResolver: unknown, fileValidators: unknown[], metadata: unknown, validationTimeout: number }} Config
 * @typedef {{ internalId: string, name: string, uuid: string | null, cdnUrl: string | null, errors: EntryError[] }} Entry
 * @typedef {{ type: string, message: string, payload?: { error?: { code?: string } } }} EntryError
 */

/** How long the component waits for a signature before it goes on without our answer; all retries fit in. */
const VALIDATION_TIMEOUT_MS = 120_000;

/** What the provider's codes for a refused signature mean for whoever runs the page. */
const HINTS = /** @type {Record<string, string>} */ ({
  SignatureExpirationError: 'The signature had expired: compare the clocks of this server and of the provider.',
  SignatureInvalidError: 'The signature was wrong: compare UPLOADCARE_SECRET_KEY with the project\u2019s secret key.',
  SignatureRequiredError: 'The upload went out without a signature.',
});

const config = /** @type {Config} */ (document.querySelector('uc-config'));
const provider = /** @type {HTMLElement} */ (document.querySelector('uc-upload-ctx-provider'));
const notice = hook('notice');
const results = hook('results');

const resolver = uploadcareResolver({
  onError: (error) => say(`Nothing was uploaded: ${error.message} Remove the file and add it again to try once more.`),
  onSigned: () => say(''),
});

/** @param {string} id @returns {HTMLElement} */
function hook(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** @param {string} text */
function say(text) {
  notice.hidden = text === '';
  notice.textContent = text;
}

/** @param {Entry} entry */
function showSuccess(entry) {
  const item = document.createElement('li');
  const link = document.createElement('a');
  link.href = entry.cdnUrl ?? '';
  link.textContent = entry.name;
  link.target = '_blank';
  link.rel = 'noopener noreferrer';
  const id = document.createElement('code');
  id.textContent = entry.uuid;
  item.dataset.testid = 'result';
  item.append(link, ' ', id);
  results.append(item);
  hook('results-section').hidden = false;
}

/** @param {Entry} entry */
function showFailure(entry) {
  const code = entry.errors[0]?.payload?.error?.code ?? '';
  if (!HINTS[code]) return;
  resolver.forget();
  say(`${entry.name}: ${entry.errors[0].message} ${HINTS[code]}`);
}

/** @param {string} type @param {(entry: Entry) => void} listener */
function onEntry(type, listener) {
  provider.addEventListener(type, (event) => listener(/** @type {CustomEvent<Entry>} */ (event).detail));
}

config.secureUploadsSignatureResolver = resolver;
config.fileValidators = [resolver.validator];
config.metadata = resolver.metadata;
config.validationTimeout = VALIDATION_TIMEOUT_MS;
onEntry('file-upload-success', showSuccess);
onEntry('file-upload-failed', showFailure);

const component = /** @type {any} */ (globalThis).UC;
if (component) {
  component.defineComponents(component);
  document.documentElement.dataset.ready = 'true';
} else {
  say('The uploader could not be loaded: this page takes it from the public CDN unless UPLOADCARE_BUNDLE_DIR names a copy.');
}
