// @ts-check
/**
 * demo.js: the demo page. Queues files with previews, uploads them through countersign.js, and shows for each one how it
 * goes, what was signed, what became of its grant, links that expire, and deletion. It uses nothing of the library but its
 * exports, and holds no secret, since the page never receives one.
 *
 * Reading order: intake (drop, choose, paste) → items and their cards → upload → download link → delete → small things.
 */

// The version in this module's own address is passed on, so that all modules always come from the same release.
const version = new URL(import.meta.url).search;
/** @type {typeof import('./countersign.js')} */
const { createUploader } = await import(`./countersign.js${version}`);

/**
 * @typedef {import('./countersign.js').Asset} Asset
 * @typedef {import('./countersign.js').Signed} Signed
 * @typedef {import('./countersign.js').Progress} Progress
 * @typedef {import('./countersign.js').UploadError} UploadError
 * @typedef {'queued' | 'signing' | 'uploading' | 'done' | 'failed' | 'cancelled' | 'deleted'} State
 */

/**
 * One file on the page.
 * @typedef {object} Item
 * @property {File} file
 * @property {HTMLElement} card
 * @property {State} state
 * @property {boolean} private
 * @property {boolean} submitted queued for a slot, no longer for the user
 * @property {string} [previewUrl] object URL, to be revoked
 * @property {AbortController} [controller]
 * @property {Asset} [asset]
 * @property {Signed} [signed]
 * @property {{ state: import('./countersign.js').GrantState, note: string }} [grant] what is known of it, where the server keeps it
 * @property {{ url: string, secondsLeft: () => number, dead: boolean }} [link]
 */

const workbench = /** @type {HTMLElement} */ (document.getElementById('workbench'));
const dropZone = /** @type {HTMLButtonElement} */ (document.getElementById('drop-zone'));
const fileInput = /** @type {HTMLInputElement} */ (document.getElementById('file-input'));
const privateSwitch = /** @type {HTMLInputElement | null} */ (document.getElementById('private'));
const submitButton = /** @type {HTMLButtonElement} */ (document.getElementById('submit'));
const clearButton = /** @type {HTMLButtonElement} */ (document.getElementById('clear'));
const notice = /** @type {HTMLElement} */ (document.getElementById('notice'));
const list = /** @type {HTMLElement} */ (document.getElementById('items'));
const live = /** @type {HTMLElement} */ (document.getElementById('live'));
const dialog = /** @type {HTMLDialogElement} */ (document.getElementById('confirm-dialog'));
const template = /** @type {HTMLTemplateElement} */ (document.getElementById('item-template'));

const provider = 'emulator' in workbench.dataset ? 'The emulator' : 'Cloudinary';
const uploader = createUploader({ profile: workbench.dataset.profile, concurrency: 3 });

/** There is more to show where the server keeps the grants of the profile. */
const ledger = await loadLedgerPanel();

/** @type {Set<Item>} */
const items = new Set();

const STATE_LABELS = {
  queued: 'Ready', signing: 'Signing', uploading: 'Uploading', done: 'Uploaded', failed: 'Failed', cancelled: 'Cancelled', deleted: 'Deleted',
};
const GRANT_LABELS = { issued: 'Grant issued', used: 'Grant used', expired: 'Grant expired', rejected: 'Grant rejected' };
const DELIVERY_LABELS = { upload: 'Public', private: 'Private', authenticated: 'Authenticated' };
/** @type {Record<string, string>} */
const PARAMETER_REASONS = {
  timestamp: 'Set back, so that the provider’s one hour ends when this permission should.',
  folder: 'Where the file goes, and nowhere else.',
  type: 'How it is delivered: private files have no open URL.',
  use_filename: 'The public id starts with the file’s name.',
  public_id: 'The file’s name in storage, chosen by the server.',
  overwrite: 'Whether an existing file may be replaced.',
  allowed_formats: 'Other formats are refused.',
  tags: 'Labels fixed by the profile.',
  context: 'Facts stored with the file.',
  moderation: 'A person looks at it first.',
  notification_url: 'Where the provider reports the upload.',
  upload_preset: 'Further rules kept at the provider.',
};

// ---- Intake: drop, choose, paste ---------------------------------------------------------------------------------

function listenForFiles() {
  dropZone.addEventListener('click', () => fileInput.click());
  fileInput.addEventListener('change', () => {
    addFiles([...(fileInput.files ?? [])]);
    // Emptied, so that choosing the same file again is noticed.
    fileInput.value = '';
  });
  // A file dropped beside the zone would otherwise replace the page.
  document.addEventListener('dragover', (event) => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    dropZone.classList.add('is-over');
  });
  document.addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) dropZone.classList.remove('is-over');
  });
  document.addEventListener('drop', (event) => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    dropZone.classList.remove('is-over');
    addDropped(event.dataTransfer);
  });
  document.addEventListener('paste', (event) => addFiles([...(event.clipboardData?.files ?? [])]));
}

/**
 * A dropped folder looks like a file that cannot be read; it is left out and named.
 * @param {DataTransfer} transfer
 */
function addDropped(transfer) {
  const folders = [...transfer.items]
    .map((item) => item.webkitGetAsEntry?.())
    .filter((entry) => entry?.isDirectory)
    .map((entry) => entry?.name);
  addFiles([...transfer.files].filter((file) => !folders.includes(file.name)));
  if (folders.length > 0) tell(`Folders are left out (${folders.join(', ')}). Choose the files inside them instead.`);
}

/** @param {File[]} files */
function addFiles(files) {
  if (files.length === 0) return;
  const empty = files.filter((file) => file.size === 0);
  const usable = files.filter((file) => file.size > 0);
  tell(empty.length > 0 ? `Left out because there is nothing in it: ${empty.map((file) => file.name).join(', ')}.` : '');
  for (const file of usable) addItem(file);
  if (usable.length > 0) announce(`${plural(usable.length, 'file')} added. Press Upload to start.`);
}

/** @param {string} sentence shown below the drop zone; an empty one hides it */
function tell(sentence) {
  notice.hidden = sentence === '';
  notice.textContent = sentence;
}

// ---- Items and their cards ---------------------------------------------------------------------------------------

/** @param {File} file */
function addItem(file) {
  const fragment = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
  const card = /** @type {HTMLElement} */ (fragment.querySelector('[data-testid="item"]'));
  /** @type {Item} */
  const item = { file, card, state: 'queued', private: privateSwitch?.checked ?? false, submitted: false };
  items.add(item);
  setText(item, 'name', file.name);
  nameControls(item);
  wireControls(item);
  list.append(card);
  showPreview(item);
  render(item);
}

/**
 * Finds a piece of an item's card by its test hook.
 * @param {Item} item
 * @param {string} hook
 */
function part({ card }, hook) {
  const found = card.querySelector(`[data-testid="${hook}"]`);
  return /** @type {HTMLElement} */ (found);
}

/** @param {Item} item @param {string} hook @param {string} text */
function setText(item, hook, text) {
  const element = part(item, hook);
  if (element.textContent !== text) element.textContent = text;
}

/** @param {Item} item @param {string} hook @param {boolean} visible */
function show(item, hook, visible) {
  part(item, hook).hidden = !visible;
}

/**
 * Buttons of many cards read the same; for a screen reader each carries its file's name too.
 * @param {Item} item
 */
function nameControls(item) {
  const { name } = item.file;
  for (const hook of ['cancel', 'retry', 'open', 'download-link-button', 'copy-link', 'delete', 'remove']) {
    const control = part(item, hook);
    control.setAttribute('aria-label', `${control.textContent?.trim()}: ${name}`);
  }
  part(item, 'progress').setAttribute('aria-label', `Upload of ${name}`);
}

/** @param {Item} item */
function wireControls(item) {
  /** @param {string} hook @param {() => void} act */
  const on = (hook, act) => part(item, hook).addEventListener('click', act);
  on('cancel', () => item.controller?.abort());
  on('retry', () => start(item));
  on('remove', () => removeItem(item));
  on('download-link-button', () => getDownloadLink(item));
  on('copy-link', () => copyLink(item));
  on('delete', () => askToDelete(item));
}

/** @param {Item} item */
function render(item) {
  const { state, submitted, asset } = item;
  const hadFocus = item.card.contains(document.activeElement);
  const active = submitted && ['queued', 'signing', 'uploading'].includes(state);
  const stored = state === 'done';
  const rejected = state === 'failed' && item.grant?.state === 'rejected';

  item.card.dataset.state = state;
  setText(item, 'state', rejected ? 'Rejected' : state === 'queued' && submitted ? 'Waiting' : STATE_LABELS[state]);
  setText(item, 'meta', metaOf(item));
  renderBadge(item);
  renderGrant(item);
  show(item, 'transfer', active);
  show(item, 'cancel', active);
  // The same file under the same profile would be rejected again.
  show(item, 'retry', (state === 'failed' && !rejected) || state === 'cancelled');
  show(item, 'remove', !active && !stored);
  show(item, 'error', state === 'failed');
  show(item, 'facts', asset !== undefined);
  show(item, 'private-note', stored && asset?.type === 'private');
  show(item, 'open', stored && asset?.type !== 'private');
  show(item, 'download-link-button', stored);
  show(item, 'delete', stored);
  show(item, 'link-panel', stored && item.link !== undefined);
  if (hadFocus) keepFocus(item);
  renderSummary();
}

/**
 * When the focused button has just gone, the card takes the focus, so that a keyboard user stays where they were.
 * @param {Item} item
 */
function keepFocus({ card }) {
  const focused = document.activeElement;
  const gone = !(focused instanceof HTMLElement) || focused === document.body || focused.closest('[hidden]') !== null;
  if (gone) card.focus();
}

/** @param {Item} item */
function metaOf({ file, asset }) {
  const size = formatBytes(asset?.bytes ?? file.size);
  const dimensions = asset?.width && asset.height ? `${asset.width} × ${asset.height}` : '';
  const pages = asset?.pages && asset.pages > 1 ? plural(asset.pages, 'page') : '';
  const seconds = asset?.duration ? formatClock(asset.duration) : '';
  return [size, dimensions, pages, seconds].filter(Boolean).join(' · ');
}

/** @param {Item} item */
function renderBadge(item) {
  const type = item.asset?.type ?? (item.private ? 'private' : 'upload');
  const badge = part(item, 'delivery-type');
  badge.dataset.type = type;
  badge.title = `Delivery type: ${type}`;
  badge.replaceChildren(icon(type === 'upload' ? 'globe' : 'lock'), DELIVERY_LABELS[type] ?? type);
}

/** @param {Item} item */
function renderGrant(item) {
  const { grant } = item;
  show(item, 'grant', grant !== undefined);
  if (!grant) return;
  part(item, 'grant').dataset.state = grant.state;
  setText(item, 'grant-state', GRANT_LABELS[grant.state]);
  setText(item, 'grant-note', grant.note);
}

function renderSummary() {
  const all = [...items];
  const count = (/** @type {(item: Item) => boolean} */ test) => all.filter(test).length;
  const ready = count((item) => item.state === 'queued' && !item.submitted);
  const stored = count((item) => item.state === 'done');
  const failed = count((item) => item.state === 'failed');

  /** @type {HTMLElement} */ (document.getElementById('queue')).hidden = all.length === 0;
  /** @type {HTMLElement} */ (document.getElementById('summary')).textContent =
    [`${stored} of ${all.length} uploaded`, failed > 0 ? `${failed} failed` : ''].filter(Boolean).join(' · ');
  submitButton.textContent = ready > 0 ? `Upload ${plural(ready, 'file')}` : 'Upload';
  // Not `disabled`: that would throw a keyboard user off the button they have just pressed.
  submitButton.setAttribute('aria-disabled', String(ready === 0));
  clearButton.hidden = count(isFinished) === 0;
}

/** @param {Item} item */
function isFinished({ state }) {
  return state === 'done' || state === 'deleted' || state === 'cancelled';
}

/** @param {Item} item */
function removeItem(item) {
  const next = item.card.nextElementSibling ?? item.card.previousElementSibling;
  const hadFocus = item.card.contains(document.activeElement);
  dropPreview(item);
  items.delete(item);
  item.card.remove();
  renderSummary();
  announce(`${item.file.name} removed from the list.`);
  if (hadFocus) /** @type {HTMLElement} */ (next ?? dropZone).focus();
}

// ---- Previews ----------------------------------------------------------------------------------------------------

/**
 * The file itself is the preview. What the browser cannot draw (a PDF, a HEIC photo) stays an icon.
 * @param {Item} item
 */
function showPreview(item) {
  const { file } = item;
  const thumb = part(item, 'thumb');
  thumb.querySelector('use')?.setAttribute('href', `#icon-${iconFor(file.type)}`);
  setText(item, 'thumb-format', extensionOf(file.name));
  const kind = file.type.split('/')[0];
  if (kind !== 'image' && kind !== 'video') return;

  item.previewUrl = URL.createObjectURL(file);
  const preview = kind === 'image' ? new Image() : document.createElement('video');
  preview.addEventListener('error', () => dropPreview(item));
  if (preview instanceof HTMLVideoElement) {
    preview.muted = true;
    preview.preload = 'metadata';
    preview.playsInline = true;
    // Half a second in, since the first frame is often black.
    preview.src = `${item.previewUrl}#t=0.5`;
    preview.tabIndex = -1;
    preview.setAttribute('aria-hidden', 'true');
  } else {
    preview.alt = '';
    preview.decoding = 'async';
    preview.src = item.previewUrl;
  }
  thumb.append(preview);
}

/** @param {Item} item */
function dropPreview(item) {
  if (item.previewUrl === undefined) return;
  part(item, 'thumb').querySelector('img, video')?.remove();
  URL.revokeObjectURL(item.previewUrl);
  item.previewUrl = undefined;
}

/** @param {string} mime */
function iconFor(mime) {
  const kind = mime.split('/')[0];
  if (kind === 'image' || kind === 'video' || kind === 'audio') return kind;
  return kind === 'text' || /pdf|document|sheet|presentation|msword|ms-/.test(mime) ? 'document' : 'file';
}

// ---- Upload ------------------------------------------------------------------------------------------------------

function submit() {
  const ready = [...items].filter((item) => item.state === 'queued' && !item.submitted);
  if (ready.length === 0) {
    announce('There is nothing to upload yet. Choose files first.');
    return;
  }
  ready.forEach(start);
}

/** @param {Item} item */
async function start(item) {
  item.controller = new AbortController();
  item.submitted = true;
  item.grant = undefined;
  setState(item, 'queued');
  try {
    const uploaded = await uploader.upload(item.file, {
      private: item.private,
      signal: item.controller.signal,
      onProgress: (progress) => showProgress(item, progress),
      onSigned: (signed) => showSigned(item, signed),
    });
    finish(item, uploaded);
  } catch (error) {
    fail(item, /** @type {UploadError} */ (error));
  }
  ledger?.changed();
}

/** @param {Item} item @param {State} state */
function setState(item, state) {
  const begins = item.state === 'queued' && state === 'signing';
  item.state = state;
  render(item);
  if (begins) announce(`Upload of ${item.file.name} started.`);
}

/** @param {Item} item @param {Progress} progress */
function showProgress(item, progress) {
  const { phase, loaded, total } = progress;
  const state = phase === 'signing' || phase === 'queued' ? phase : phase === 'waiting' ? item.state : 'uploading';
  if (state !== item.state && phase !== 'done') setState(item, state);
  if (phase === 'confirming') endCancelling(item);

  const bar = /** @type {HTMLProgressElement} */ (part(item, 'progress'));
  if (phase === 'queued' || (phase === 'signing' && loaded === 0)) bar.removeAttribute('value');
  else bar.value = Math.floor((100 * loaded) / total);
  setText(item, 'amount', amountOf(progress));
  setText(item, 'speed', paceOf(progress));
}

/**
 * The file is stored: what could be cancelled now is only that anybody hears of it.
 * @param {Item} item
 */
function endCancelling(item) {
  const hadFocus = item.card.contains(document.activeElement);
  show(item, 'cancel', false);
  if (hadFocus) keepFocus(item);
}

/** @param {Progress} progress */
function amountOf({ phase, loaded, total }) {
  if (phase === 'queued') return 'Waiting for a free place';
  if (phase === 'signing' && loaded === 0) return 'Asking for a signature';
  return `${formatBytes(loaded)} of ${formatBytes(total)}`;
}

/** @param {Progress} progress */
function paceOf({ phase, loaded, total, bytesPerSecond, retry }) {
  if (phase === 'finishing') return `${provider} is storing it`;
  if (phase === 'confirming') return 'The server holds it against the profile';
  if (phase === 'waiting' && retry) return waitingFor(retry);
  if (phase !== 'uploading' || bytesPerSecond === 0) return '';
  return `${formatBytes(bytesPerSecond)}/s · ${formatDuration((total - loaded) / bytesPerSecond)} left`;
}

/** @param {NonNullable<Progress['retry']>} retry */
function waitingFor({ error, inSeconds, attempt, attempts }) {
  if (error.code === 'offline') return 'You are offline. It goes on when the connection is back.';
  if (error.code === 'quota_exceeded') return `The quota is used up. The next period begins in ${formatDuration(inSeconds)}.`;
  const why = error.status === 429 || error.status === 420 ? 'Too many requests' : error.status > 0 ? 'A hiccup on the other side' : 'No answer';
  return `${why}. Try ${attempt} of ${attempts} in ${formatDuration(inSeconds)}.`;
}

/** @param {Item} item @param {import('./countersign.js').Uploaded} uploaded */
function finish(item, { asset, grant, unconfirmed }) {
  item.asset = asset;
  if (grant) item.grant = { state: grant.state, note: 'its signature is good for nothing more' };
  if (unconfirmed) item.grant = { state: 'issued', note: 'the server could not be told, and will find out by itself' };
  showAsset(item, asset);
  setState(item, 'done');
  announce(`${item.file.name} uploaded.`);
}

/** @param {Item} item @param {UploadError} error */
function fail(item, error) {
  item.submitted = false;
  if (error.code === 'cancelled') {
    setState(item, 'cancelled');
    announce(`Upload of ${item.file.name} cancelled.`);
    return;
  }
  if (error.code === 'rejected_by_profile') item.grant = { state: 'rejected', note: 'nothing of it is kept' };
  showProblem(item, sentence(error), error);
  setState(item, 'failed');
  announce(`Upload of ${item.file.name} failed. ${sentence(error)}`);
}

/** @param {Item} item @param {string} message @param {UploadError} error */
function showProblem(item, message, error) {
  setText(item, 'error-message', message);
  setText(item, 'error-detail', detail(error));
}

/** @param {Item} item @param {Asset} asset */
function showAsset(item, asset) {
  // The provider may store a PDF as an image; drawn from its URL it would be a broken picture, so it keeps its icon.
  if (asset.format === 'pdf') dropPreview(item);
  if (asset.format) setText(item, 'thumb-format', asset.format);
  part(item, 'facts').replaceChildren(
    fact('Public id', asset.public_id, 'public-id'),
    fact('Stored as', [asset.resource_type, asset.format].filter(Boolean).join(' · '), 'resource-type'),
  );
  if (asset.type === 'private') {
    setText(item, 'private-note', `${provider} refuses the plain URL of a private file. A download link opens it, for one minute.`);
  } else {
    part(item, 'open').setAttribute('href', asset.secure_url);
  }
}

/** @param {string} term @param {string} value @param {string} hook */
function fact(term, value, hook) {
  const dd = element('dd', value);
  dd.dataset.testid = hook;
  const row = document.createElement('div');
  row.append(element('dt', term), dd);
  return row;
}

/**
 * Says what happened and what can be done about it.
 * @param {UploadError} error
 */
function sentence(error) {
  const { code, status, origin, retryAfterSeconds } = error;
  const words = closed(error.message);
  const wait = retryAfterSeconds ? `in ${formatDuration(retryAfterSeconds)}` : 'in a minute';
  if (code === 'offline') return 'You are offline. Connect to the internet, then try again.';
  if (code === 'file_unreadable') return 'The file was moved or changed after you chose it. Remove it and choose it again.';
  if (code === 'rejected_by_profile') return `It was uploaded, and then deleted by the server. ${words}`;
  if (code === 'quota_exceeded') return `${spokenAs(words)} ${untilReset(retryAfterSeconds)}`;
  if (status === 429 || status === 420) return `Too many requests at once. Try again ${wait}.`;
  if (code === 'network_error' && origin === 'server') return `The signing server at ${location.host} did not answer. Check that it is running, then try again.`;
  if (code === 'network_error') return `The connection to ${provider === 'Cloudinary' ? provider : 'the emulator'} broke off. Check your network, then try again.`;
  if (origin === 'provider' && status >= 500) return `${provider} has a problem of its own right now. Try again ${wait}. It said: ${words}`;
  if (origin === 'provider') return `${provider} refused the file: ${words}`;
  if (status === 401) return `The server wants to know who you are before it signs: ${words}`;
  if (status >= 500) return `The signing server could not do it: ${words} Try again ${wait}.`;
  return `The server refused: ${words}`;
}

/** @param {number} [seconds] */
function untilReset(seconds) {
  if (seconds === undefined) return 'Try again then.';
  return `That is at ${formatMoment(Date.now() / 1000 + seconds)}, in ${formatDuration(seconds)}.`;
}

/** @param {UploadError} error */
function detail({ code, status, requestId }) {
  return [code, status > 0 ? `HTTP ${status}` : '', requestId ? `request ${requestId}` : ''].filter(Boolean).join(' · ');
}

// ---- What was signed ---------------------------------------------------------------------------------------------

/** @param {Item} item @param {Signed} signed */
function showSigned(item, signed) {
  item.signed = signed;
  const rows = Object.entries(signed.params).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => parameterRow(name, value));
  part(item, 'signed-params').replaceChildren(...rows);
  setText(item, 'string-to-sign', signed.stringToSign);
  setText(item, 'signature', signed.signature);
  setText(item, 'algorithm', signed.algorithm);
  setText(item, 'signed-note', `Sent beside them, not signed: api_key ${signed.apiKey} and the file. The secret is not shown, because this page never receives it.`);
  show(item, 'signed', true);
  showSignatureExpiry(item);
  if (signed.uploadId) {
    item.grant = { state: 'issued', note: 'for this upload and no other' };
    renderGrant(item);
  }
  ledger?.signed(signed);
}

/** @param {string} name @param {unknown} value */
function parameterRow(name, value) {
  const row = document.createElement('tr');
  row.dataset.testid = 'signed-param';
  row.dataset.name = name;
  const header = element('th', name);
  header.setAttribute('scope', 'row');
  row.append(header, element('td', String(value)), element('td', PARAMETER_REASONS[name] ?? ''));
  return row;
}

/** @param {Item} item */
function showSignatureExpiry(item) {
  const { signed } = item;
  if (!signed) return;
  const left = signed.secondsLeft();
  const at = new Date(signed.expiresAt * 1000).toLocaleTimeString();
  setText(item, 'signature-expiry', left > 0 ? `Expires at ${at}, in ${formatDuration(left)}.` : `Expired at ${at}. A new upload gets a new signature.`);
}

// ---- Download link -----------------------------------------------------------------------------------------------

/** @param {Item} item */
async function getDownloadLink(item) {
  const { asset } = item;
  if (!asset) return;
  await busy(item, 'download-link-button', async () => {
    const raw = asset.resource_type === 'raw';
    const link = await uploader.downloadUrl({
      publicId: asset.public_id,
      format: raw ? '' : asset.format,
      resourceType: asset.resource_type,
      type: asset.type,
    });
    showLink(item, { url: link.url, secondsLeft: link.secondsLeft, dead: false });
  });
}

/** @param {Item} item @param {NonNullable<Item['link']>} link */
function showLink(item, link) {
  item.link = link;
  const anchor = part(item, 'download-link');
  anchor.setAttribute('href', link.url);
  anchor.textContent = link.url;
  show(item, 'outcome', false);
  for (const hook of ['download-link', 'countdown', 'copy-link']) show(item, hook, true);
  for (const hook of ['dead-link', 'dead-mark']) show(item, hook, false);
  part(item, 'link-panel').dataset.state = 'live';
  relabel(item, 'download-link-button', 'Get a new link');
  render(item);
  showCountdown(item);
  announce(`Download link for ${item.file.name} is ready. It works for ${formatDuration(link.secondsLeft())}.`);
}

/** @param {Item} item */
function showCountdown(item) {
  const { link } = item;
  if (!link || link.dead || item.state !== 'done') return;
  const left = link.secondsLeft();
  if (left <= 0) return killLink(item, link);
  setText(item, 'countdown', formatClock(Math.ceil(left)));
  part(item, 'countdown').classList.toggle('is-short', left <= 10);
}

/**
 * A dead link stays readable, but can no longer be clicked or copied.
 * @param {Item} item
 * @param {NonNullable<Item['link']>} link
 */
function killLink(item, link) {
  link.dead = true;
  const hadFocus = item.card.contains(document.activeElement);
  part(item, 'download-link').removeAttribute('href');
  setText(item, 'dead-link', link.url);
  for (const hook of ['download-link', 'countdown', 'copy-link']) show(item, hook, false);
  for (const hook of ['dead-link', 'dead-mark']) show(item, hook, true);
  part(item, 'link-panel').dataset.state = 'dead';
  if (hadFocus) keepFocus(item);
  announce(`The download link for ${item.file.name} has expired.`);
}

/** @param {Item} item */
async function copyLink(item) {
  if (!item.link || item.link.dead) return;
  const copied = await copyText(item.link.url, part(item, 'download-link'));
  relabel(item, 'copy-link', copied ? 'Copied' : 'Press Ctrl+C');
  announce(copied ? 'Link copied.' : 'The link is selected. Press Control and C to copy it.');
  setTimeout(() => relabel(item, 'copy-link', 'Copy'), 2000);
}

/**
 * The clipboard is closed to pages without https; then the text is selected for the user to copy.
 * @param {string} text
 * @param {HTMLElement} source
 */
async function copyText(text, source) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection()?.selectAllChildren(source);
    return false;
  }
}

// ---- Delete ------------------------------------------------------------------------------------------------------

/** @param {Item} item */
function askToDelete(item) {
  /** @type {HTMLElement} */ (dialog.querySelector('[data-testid="confirm-name"]')).textContent = item.file.name;
  dialog.returnValue = '';
  // The dialog gives the focus back to the Delete button by itself when it closes.
  dialog.showModal();
  dialog.addEventListener('close', () => { if (dialog.returnValue === 'delete') deleteItem(item); }, { once: true });
}

/** @param {Item} item */
async function deleteItem(item) {
  const { asset } = item;
  if (!asset) return;
  await busy(item, 'delete', async () => {
    showOutcome(item, await deleteStored(asset));
    ledger?.changed();
  });
}

/**
 * A failure of the provider still says what became of each URL.
 * @param {Asset} asset
 */
async function deleteStored(asset) {
  try {
    const { results } = await uploader.deleteFiles([{ type: asset.resource_type, url: asset.secure_url }]);
    return results[0];
  } catch (error) {
    const result = /** @type {UploadError} */ (error).data?.results?.[0];
    if (result) return result;
    throw error;
  }
}

/** @param {Item} item @param {import('./countersign.js').DeleteResult} result */
function showOutcome(item, { outcome, message }) {
  const words = {
    deleted: 'Deleted from storage.',
    not_found: 'Not found: it was already gone.',
    failed: `Not deleted: ${closed(message ?? `${provider} did not say why`)} Try again.`,
  }[outcome] ?? outcome;
  say(item, outcome, words);
  if (outcome === 'failed') return;
  dropPreview(item);
  setState(item, 'deleted');
  part(item, 'outcome').focus();
}

/**
 * Shows and announces how something ended that is not the upload itself.
 * @param {Item} item
 * @param {string} outcome
 * @param {string} words
 * @param {string} [small]
 */
function say(item, outcome, words, small = '') {
  const place = part(item, 'outcome');
  place.dataset.outcome = outcome;
  place.replaceChildren(words, ...(small ? [element('small', small)] : []));
  place.hidden = false;
  announce(`${item.file.name}: ${words}`);
}

/**
 * Runs one request of a card: no second press meanwhile, and a failure is shown on the card.
 * @param {Item} item
 * @param {string} hook the button pressed
 * @param {() => Promise<void>} act
 */
async function busy(item, hook, act) {
  const button = part(item, hook);
  if (button.getAttribute('aria-busy') === 'true') return;
  button.setAttribute('aria-busy', 'true');
  show(item, 'outcome', false);
  try {
    await act();
  } catch (error) {
    const refusal = /** @type {UploadError} */ (error);
    say(item, 'failed', sentence(refusal), detail(refusal));
  } finally {
    button.removeAttribute('aria-busy');
  }
}

// ---- Small things ------------------------------------------------------------------------------------------------

/** @param {string} tag @param {string} text */
function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

/** @param {string} name a symbol of the page's sprite */
function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  use.setAttribute('href', `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** @param {Item} item @param {string} hook @param {string} label */
function relabel(item, hook, label) {
  const button = part(item, hook);
  /** @type {HTMLElement} */ (button.querySelector('span')).textContent = label;
  button.setAttribute('aria-label', `${label}: ${item.file.name}`);
}

/**
 * Adds a line for screen readers; lines of several uploads must not overwrite each other.
 * @param {string} text
 */
function announce(text) {
  live.append(element('p', text));
  while (live.childElementCount > 20) live.firstElementChild?.remove();
}

/** @param {string} text of someone else's making, to stand among sentences */
function closed(text) {
  return /[.!?]$/.test(text.trim()) ? text.trim() : `${text.trim()}.`;
}

/** @param {string} text a sentence that begins with a small letter */
function spokenAs(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** @param {number} count @param {string} noun */
function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** @param {string} name */
function extensionOf(name) {
  const dot = name.lastIndexOf('.');
  return dot > 0 && name.length - dot <= 6 ? name.slice(dot + 1).toLowerCase() : '';
}

/** @param {number} bytes in decimal units, as the provider counts */
function formatBytes(bytes) {
  const power = bytes < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${power > 0 && value < 100 ? value.toFixed(1) : Math.round(value)} ${['B', 'kB', 'MB', 'GB'][power]}`;
}

/** @param {number} seconds in words, such as 45 s, 29 min, 2 h 5 min, 9 days */
function formatDuration(seconds) {
  const whole = Math.max(1, Math.ceil(seconds));
  if (whole < 90) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : plural(Math.round(hours / 24), 'day');
}

/** @param {number} unixSeconds the time of day, with the date if it is not today's */
function formatMoment(unixSeconds) {
  const moment = new Date(unixSeconds * 1000);
  const time = moment.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  if (moment.toDateString() === new Date().toDateString()) return time;
  return `${moment.toLocaleDateString([], { day: 'numeric', month: 'short' })}, ${time}`;
}

/** @param {number} seconds as on a clock, such as 0:07 */
function formatClock(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

function tick() {
  for (const item of items) {
    showCountdown(item);
    showSignatureExpiry(item);
  }
  ledger?.tick();
}

async function loadLedgerPanel() {
  if (!document.getElementById('grants')) return undefined;
  /** @type {typeof import('./ledger.js')} */
  const { createLedgerPanel } = await import(`./ledger.js${version}`);
  return createLedgerPanel(uploader, { formatBytes, formatDuration, formatMoment, sentence });
}

function wirePage() {
  listenForFiles();
  submitButton.addEventListener('click', submit);
  clearButton.addEventListener('click', () => {
    [...items].filter(isFinished).forEach(removeItem);
    dropZone.focus();
  });
  privateSwitch?.addEventListener('change', () => {
    for (const item of items) {
      if (item.state !== 'queued' || item.submitted) continue;
      item.private = privateSwitch.checked;
      renderBadge(item);
    }
  });
  dialog.querySelector('[data-testid="confirm-cancel"]')?.addEventListener('click', () => dialog.close('keep'));
  dialog.querySelector('[data-testid="confirm-delete"]')?.addEventListener('click', () => dialog.close('delete'));
  addEventListener('beforeunload', (event) => {
    if ([...items].some((item) => item.submitted && !isFinished(item))) event.preventDefault();
  });
  setInterval(tick, 250);
  document.documentElement.dataset.ready = 'true';
}

wirePage();
