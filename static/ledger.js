// @ts-check
/**
 * ledger.js: what the demo page shows of a profile whose grants the server keeps: the folder that a signature was really
 * for, what is left of the quotas, and the caller's grants. demo.js loads it only for such a profile.
 */

/**
 * @typedef {import('./countersign.js').Signed} Signed
 * @typedef {import('./countersign.js').Quota} Quota
 * @typedef {import('./countersign.js').Grant} Grant
 * @typedef {import('./countersign.js').UploadError} UploadError
 * @typedef {ReturnType<typeof import('./countersign.js').createUploader>} Uploader
 */

/**
 * The page's ways of saying things.
 * @typedef {object} Words
 * @property {(bytes: number) => string} formatBytes
 * @property {(seconds: number) => string} formatDuration
 * @property {(unixSeconds: number) => string} formatMoment
 * @property {(error: UploadError) => string} sentence
 */

const PAGE = 10;
/** Several cards that change at once cause one request. */
const RELOAD_AFTER_MS = 300;

/** @type {Record<import('./countersign.js').GrantState, string>} */
const STATE_LABELS = { issued: 'Issued', used: 'Used', expired: 'Expired', rejected: 'Rejected' };

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);

/**
 * Brings the ledger's part of the page to life.
 * @param {Uploader} uploader
 * @param {Words} words
 */
export function createLedgerPanel(uploader, words) {
  /** @type {Signed | undefined} */
  let latest;
  const grants = createGrantList(uploader, words);

  /** After each signature: whose folder it was, what is left, one grant more. @param {Signed} signed */
  function signed(signed) {
    if (!latest || !isOvertakenBy(signed, latest)) latest = signed;
    if (typeof signed.params.folder === 'string') {
      /** @type {HTMLElement} */ (document.querySelector('[data-testid="folder"]')).textContent = signed.params.folder;
    }
    tick();
    grants.reloadSoon();
  }

  /** Shows how the time until the quotas' next periods runs. */
  function tick() {
    for (const [measure, quota] of Object.entries(latest?.quota ?? {})) showQuota(measure, quota, words);
  }

  grants.reload();
  return { signed, tick, changed: grants.reloadSoon };
}

/**
 * Whether `signed` was signed before `latest`, whose answer came first: answers of requests that run side by side overtake
 * each other. Within one second the one that leaves fewer uploads is the later one; bytes come back when a file is settled.
 * @param {Signed} signed
 * @param {Signed} latest
 */
function isOvertakenBy(signed, latest) {
  if (signed.expiresAt !== latest.expiresAt) return signed.expiresAt < latest.expiresAt;
  const measure = signed.quota?.uploads ? 'uploads' : 'bytes';
  return (signed.quota?.[measure]?.remaining ?? 0) > (latest.quota?.[measure]?.remaining ?? 0);
}

/**
 * @param {string} measure
 * @param {Quota} quota
 * @param {Words} words
 */
function showQuota(measure, { limit, remaining, resetsAt, secondsLeft }, { formatBytes, formatDuration, formatMoment }) {
  const row = document.querySelector(`[data-testid="quota"][data-measure="${measure}"]`);
  if (!row) return;
  const amount = measure === 'bytes' ? formatBytes : String;
  const left = secondsLeft();
  const isOver = left <= 0;
  say(row, 'quota-left', isOver ? `a new period, with ${amount(limit)}` : `${amount(remaining)} of ${amount(limit)} left`);
  say(row, 'quota-reset', isOver ? '' : `resets ${formatMoment(resetsAt)}, in ${formatDuration(left)}`);
}

/**
 * Writes a line of a row; an empty one is hidden.
 * @param {Element} row
 * @param {string} hook
 * @param {string} text
 */
function say(row, hook, text) {
  const line = /** @type {HTMLElement} */ (row.querySelector(`[data-testid="${hook}"]`));
  line.hidden = text === '';
  if (line.textContent !== text) line.textContent = text;
}

// ---- Your grants -------------------------------------------------------------------------------------------------

/**
 * The list of the caller's grants, the latest first, in pages.
 * @param {Uploader} uploader
 * @param {Words} words
 */
function createGrantList(uploader, words) {
  /** @type {HTMLElement} */ const list = byId('grants-list');
  /** @type {HTMLElement} */ const empty = byId('grants-empty');
  /** @type {HTMLButtonElement} */ const more = byId('grants-more');
  /** @type {HTMLButtonElement} */ const refresh = byId('grants-refresh');
  /** @type {string | undefined} */
  let cursor;
  /** Of an answer that was overtaken nothing is shown. */
  let asked = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** Begins at the latest grant; whoever had looked further back sees as many as before. */
  async function reload() {
    const limit = Math.min(100, Math.max(PAGE, list.childElementCount));
    await show(uploader.listUploads({ limit }), (rows) => list.replaceChildren(...rows));
  }

  async function showOlder() {
    const shown = list.childElementCount;
    await show(uploader.listUploads({ limit: PAGE, cursor }), (rows) => list.append(...rows));
    // The button may be gone with the last page.
    if (more.hidden) /** @type {HTMLElement} */ (list.children[shown] ?? list).focus();
  }

  /**
   * @param {ReturnType<Uploader['listUploads']>} answer
   * @param {(rows: HTMLElement[]) => void} place
   */
  async function show(answer, place) {
    const turn = ++asked;
    list.setAttribute('aria-busy', 'true');
    try {
      const { uploads, nextCursor } = await answer;
      if (turn !== asked) return;
      cursor = nextCursor;
      place(uploads.map((grant) => grantRow(grant, words)));
      empty.textContent = list.childElementCount === 0 ? 'None yet: the first signature brings one.' : '';
    } catch (error) {
      if (turn !== asked) return;
      empty.textContent = words.sentence(/** @type {UploadError} */ (error));
    } finally {
      list.removeAttribute('aria-busy');
      empty.hidden = empty.textContent === '';
      list.hidden = list.childElementCount === 0;
      more.hidden = cursor === undefined;
    }
  }

  function reloadSoon() {
    clearTimeout(timer);
    timer = setTimeout(reload, RELOAD_AFTER_MS);
  }

  refresh.addEventListener('click', reload);
  more.addEventListener('click', showOlder);
  return { reload, reloadSoon };
}

/**
 * @param {Grant} grant
 * @param {Words} words
 */
function grantRow(grant, words) {
  /** @type {HTMLTemplateElement} */
  const template = byId('grant-template');
  const fragment = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
  const row = /** @type {HTMLElement} */ (fragment.firstElementChild);
  row.dataset.state = grant.state;
  row.tabIndex = -1;
  say(row, 'grant-row-state', STATE_LABELS[grant.state] ?? grant.state);
  say(row, 'grant-row-name', grant.publicId);
  say(row, 'grant-row-meta', factsOf(grant, words).filter(Boolean).join(' · '));
  say(row, 'grant-row-reason', grant.reason ? `The file ${grant.reason}.` : '');
  return row;
}

/**
 * Size, what happened, and when.
 * @param {Grant} grant
 * @param {Words} words
 */
function factsOf({ state, bytes, format, issuedAt, expiresAt, settledAt, deletedAt }, { formatBytes, formatMoment }) {
  const since = settledAt === null ? '' : formatMoment(settledAt);
  const what = {
    issued: `since ${formatMoment(issuedAt)}, until ${formatMoment(expiresAt)}`,
    used: since,
    expired: `not used until ${formatMoment(expiresAt)}`,
    rejected: since,
  }[state];
  const size = bytes === null ? '' : formatBytes(bytes);
  return [size, format ?? '', what, deletedAt === null ? '' : `deleted ${formatMoment(deletedAt)}`];
}
