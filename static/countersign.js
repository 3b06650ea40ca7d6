// @ts-check
/**
 * countersign.js: uploads files from a browser straight to Cloudinary, with signatures made by a countersign server; and
 * gives Uploadcare's own component the signatures it needs (`uploadcareResolver`).
 *
 *     import { upload } from 'https://sign.example.com/static/countersign.js';
 *     const { asset, signed } = await upload(file, { endpoint: 'https://sign.example.com', onProgress: console.log });
 *
 * No dependencies and no secret: the server signs the parameters, this module sends exactly those parameters beside the
 * file. Large files go in parts, failures that may pass are retried with backoff, an AbortSignal stops everything at
 * once, and a signature about to expire is renewed on the way. Where the server keeps grants it is told of the finished
 * upload, and what it rejects fails like what the provider refuses.
 *
 * Retrying after the last byte was sent may repeat an upload that the provider had already stored. With a single-use
 * profile the repetition is harmless (same public id, nothing overwritten); with other profiles it can leave a second copy.
 *
 * On another origin than the page, the server has to list the page in CORS_ALLOWED_ORIGINS.
 */

/** Files larger than this go in parts, unless `chunkSize` says otherwise. */
export const DEFAULT_CHUNK_SIZE = 20_000_000;
/** The provider wants every part but the last to be over 5 MB; this leaves room. */
export const MINIMUM_CHUNK_SIZE = 6_000_000;

const DEFAULT_RETRIES = 4;
const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 20_000;
const LONGEST_RETRY_AFTER_SECONDS = 120;
const OFFLINE_WAIT_MS = 30_000;
const SERVER_DEADLINE_MS = 30_000;
const STALL_MS = 60_000;
const RENEW_BEFORE_SECONDS = 60;
const RATE_WINDOW_MS = 4_000;
const DEFAULT_LINK_SECONDS = 60;

/** Sent with an upload, but never part of what is signed. */
const UNSIGNED_PARAMETERS = new Set(['file', 'cloud_name', 'resource_type', 'api_key', 'signature']);

/**
 * @typedef {'image' | 'video' | 'raw'} ResourceType
 * @typedef {'upload' | 'private' | 'authenticated'} DeliveryType
 * @typedef {Record<string, unknown>} Params upload parameters by name
 * @typedef {Record<string, string>} HeaderMap
 * @typedef {string | null | undefined} Token
 * @typedef {{ refresh: boolean }} TokenRequest `refresh`: the server did not take the last one, so a kept one is no use
 */

/**
 * How to reach the countersign server.
 * @typedef {object} Connection
 * @property {string} [endpoint] origin (and path prefix) of the server; empty means the page's own origin
 * @property {HeaderMap | (() => HeaderMap | Promise<HeaderMap>)} [headers] for every request to the server
 * @property {(request: TokenRequest) => Token | Promise<Token>} [getToken] the bearer token for every request to the server;
 *   without one the request says nothing of the caller. After a 401 it is asked once more, and the request repeated
 * @property {typeof globalThis.fetch} [fetch] replaces the browser's fetch for requests to the server
 * @property {AbortSignal} [signal] cancels at once, whatever is going on
 * @property {number} [retries] how often a failure that may pass is tried again; default 4
 */

/**
 * @typedef {object} UploadChoices
 * @property {string} [profile] the server's profile; default `default`
 * @property {boolean} [private] ask for delivery type private, where the profile lets the client choose
 * @property {ResourceType | 'auto'} [resourceType] only when the profile should not decide
 * @property {Params} [params] parameters that the profile opens to clients, such as tags
 * @property {number} [chunkSize] bytes per part, at least 6,000,000; default 20,000,000
 * @property {string} [filename] the name to send, for a Blob without one
 * @property {(progress: Progress) => void} [onProgress]
 * @property {(signed: Signed) => void} [onSigned] called with each signature, the first and every renewal
 * @property {boolean} [confirm] false: the server is not told that a granted upload is finished, and finds out by itself
 * @typedef {Connection & UploadChoices} UploadOptions
 */

/**
 * @typedef {object} Progress
 * @property {number} loaded bytes sent so far
 * @property {number} total bytes of the file
 * @property {number} bytesPerSecond over the last seconds; 0 while unknown
 * @property {'queued' | 'signing' | 'uploading' | 'finishing' | 'confirming' | 'waiting' | 'done'} phase `finishing`: all sent,
 *   the provider stores it; `confirming`: stored, the server holds it against the profile
 * @property {{ attempt: number, attempts: number, inSeconds: number, error: UploadError }} [retry] while `waiting`
 */

/**
 * What the server signed, and until when it holds.
 * @typedef {object} Signed
 * @property {Params} params exactly what is sent beside file, api_key and signature
 * @property {string} stringToSign what the signature was made of, without the secret
 * @property {string} signature
 * @property {string} algorithm told from the signature's length
 * @property {string} apiKey
 * @property {string} cloudName
 * @property {string} uploadUrl
 * @property {number} expiresAt Unix seconds
 * @property {string} expiresIn the lifetime in words
 * @property {() => number} secondsLeft counted by the server's clock, whatever this machine's clock says
 * @property {string} [uploadId] id of the grant, where the server keeps it: with single use, a size limit or a quota
 * @property {{ uploads?: Quota, bytes?: Quota }} [quota] what the caller has left, this upload taken off
 */

/**
 * What is left of a quota.
 * @typedef {object} Quota
 * @property {number} limit the most in one period
 * @property {number} remaining
 * @property {number} resetsAt Unix seconds at which the next period begins
 * @property {() => number} secondsLeft until then, counted by the server's clock
 */

/**
 * A permission to upload one file, as the server keeps it. What is not known yet is null.
 * @typedef {object} Grant
 * @property {string} uploadId
 * @property {string} profile
 * @property {GrantState} state
 * @property {string} publicId the only one that it is good for
 * @property {DeliveryType} type
 * @property {number} issuedAt Unix seconds
 * @property {number} expiresAt
 * @property {ResourceType | null} resourceType
 * @property {string | null} format
 * @property {number | null} bytes
 * @property {number | null} version
 * @property {number | null} settledAt when it was used, ran out or was rejected
 * @property {'confirmation' | 'notification' | 'sweep' | 'owner' | null} settledBy
 * @property {string | null} reason why it was rejected, as the rest of a sentence about the file
 * @property {number | null} deletedAt
 *
 * @typedef {'issued' | 'used' | 'expired' | 'rejected'} GrantState
 */

/**
 * The provider's answer to an upload; more fields than listed here may be in it.
 * @typedef {{ public_id: string, version: number, signature: string, resource_type: ResourceType, type: DeliveryType,
 *   secure_url: string, bytes: number, format?: string, width?: number, height?: number, pages?: number,
 *   duration?: number, original_filename?: string, [name: string]: unknown }} Asset
 */

/**
 * @typedef {object} UploadErrorDetails
 * @property {'client' | 'server' | 'provider'} [origin] who failed or refused: this browser, countersign, or the provider
 * @property {number} [status] HTTP status, 0 when there was no answer
 * @property {string} [requestId] to find the request in the server's log
 * @property {boolean} [retryable] whether the same request may succeed later
 * @property {number} [retryAfterSeconds]
 * @property {any} [data] what was done before the failure, such as the outcome of each URL
 * @property {unknown} [cause]
 */

/**
 * Everything that can go wrong. `code` is the server's own (such as `profile_not_found` or `quota_exceeded`) or one of:
 * cancelled, offline, network_error, empty_file, file_unreadable, invalid_option, unexpected_answer, server_unavailable,
 * rate_limited, provider_refused, provider_rate_limited, provider_unavailable, rejected_by_profile.
 */
export class UploadError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {UploadErrorDetails} [details]
   */
  constructor(code, message, details = {}) {
    super(message, { cause: details.cause });
    // A cancelled upload also answers to the name by which the platform calls cancellation.
    this.name = code === 'cancelled' ? 'AbortError' : 'UploadError';
    this.code = code;
    this.origin = details.origin ?? 'client';
    this.status = details.status ?? 0;
    this.requestId = details.requestId;
    this.retryable = details.retryable ?? false;
    this.retryAfterSeconds = details.retryAfterSeconds;
    this.data = details.data;
  }
}

// ---- Uploading ---------------------------------------------------------------------------------------------------

/**
 * An uploader that remembers its connection and profile and runs at most `concurrency` uploads at once.
 *
 * @param {UploadOptions & { concurrency?: number }} [settings] defaults for every call; `concurrency` is 3
 */
export function createUploader({ concurrency = 3, ...defaults } = {}) {
  const gate = createGate(concurrency);
  return {
    /**
     * Uploads one file as soon as a slot is free.
     * @param {Blob} file
     * @param {UploadOptions} [options]
     */
    async upload(file, options = {}) {
      const all = { ...defaults, ...options };
      all.onProgress?.({ loaded: 0, total: file.size, bytesPerSecond: 0, phase: 'queued' });
      await gate.enter(all.signal);
      try {
        return await upload(file, all);
      } finally {
        gate.leave();
      }
    },
    /** @param {DownloadRequest} request @param {Connection} [options] */
    downloadUrl: (request, options = {}) => downloadUrl({ ...connectionOf(defaults), ...options, ...request }),
    /** @param {FileToDelete[]} files @param {Connection} [options] */
    deleteFiles: (files, options = {}) => deleteFiles(files, { ...connectionOf(defaults), ...options }),
    /** @param {string} uploadId @param {Asset} asset @param {Connection} [options] */
    confirmUpload: (uploadId, asset, options = {}) =>
      confirmUpload(uploadId, asset, { ...connectionOf(defaults), ...options }),
    /** @param {UploadsRequest & Connection} [options] */
    listUploads: (options = {}) => listUploads({ ...connectionOf(defaults), ...options }),
    /** @param {string} uploadId @param {Connection} [options] */
    deleteUpload: (uploadId, options = {}) => deleteUpload(uploadId, { ...connectionOf(defaults), ...options }),
  };
}

/**
 * @typedef {object} Uploaded
 * @property {Asset} asset what the provider stored
 * @property {Signed} signed
 * @property {Grant} [grant] what became of the grant, where the server keeps it and was told
 * @property {UploadError} [unconfirmed] why the server could not be told; the file is stored all the same, and the server
 *   learns of it from the provider
 */

/**
 * Uploads one file: asks for a signature, sends the file, tells the server if it keeps the grant, and answers what the
 * provider stored and what was signed. A file that breaks the profile is deleted by the server: `rejected_by_profile`,
 * with the grant in the error's `data`.
 *
 * @param {Blob} file a File, or a Blob together with `filename`
 * @param {UploadOptions} [options]
 * @returns {Promise<Uploaded>}
 * @throws {UploadError}
 */
export async function upload(file, options = {}) {
  const parts = splitIntoParts(file, options.chunkSize ?? DEFAULT_CHUNK_SIZE);
  const meter = createMeter(file.size, options.onProgress);
  const permit = createPermit(options, meter);
  const transferId = parts.length > 1 ? randomId() : undefined;

  let answer;
  for (const part of parts) {
    // One retry budget a part covers both its signature and its bytes; a part sent again keeps its id and its range.
    answer = await withRetries(
      async () => sendPart({ file, part, transferId, signed: await permit.current(), meter, options }),
      options,
      meter.waiting,
    );
  }
  const asset = asAsset(answer);
  const signed = await permit.latest();
  const told = await tellServer(signed, asset, meter, options);
  meter.report('done', file.size);
  return { asset, signed, ...told };
}

/**
 * Tells the server that the upload is finished. The file is stored by now: if the server cannot be told that is no reason
 * to upload it again, so that nothing but its rejection (or a cancellation) counts as a failure.
 * @param {Signed} signed
 * @param {Asset} asset
 * @param {Meter} meter
 * @param {UploadOptions} options
 * @returns {Promise<Pick<Uploaded, 'grant' | 'unconfirmed'>>}
 */
async function tellServer({ uploadId }, asset, meter, options) {
  if (uploadId === undefined || options.confirm === false) return {};
  meter.report('confirming');
  let grant;
  try {
    grant = await sendConfirmation(uploadId, asset, options, meter.waiting);
  } catch (error) {
    throwIfCancelled(options.signal);
    return { unconfirmed: error instanceof UploadError ? error : noAnswer('server', error) };
  }
  if (grant.state === 'rejected') throw rejection(grant);
  return { grant };
}

/** @param {Grant} grant */
function rejection(grant) {
  const message = `The file ${grant.reason ?? 'is not what the profile takes'}.`;
  return new UploadError('rejected_by_profile', message, { origin: 'server', data: grant });
}

/**
 * @typedef {{ start: number, end: number }} Part `end` is exclusive
 * @param {Blob} file
 * @param {number} chunkSize
 * @returns {Part[]}
 */
function splitIntoParts(file, chunkSize) {
  if (!(chunkSize >= MINIMUM_CHUNK_SIZE)) {
    throw new UploadError('invalid_option', `chunkSize must be at least ${MINIMUM_CHUNK_SIZE} bytes`);
  }
  // Refused here, because a single-use signature would be spent on it for nothing.
  if (file.size === 0) throw new UploadError('empty_file', 'The file is empty.');
  const parts = [];
  for (let start = 0; start < file.size; start += chunkSize) {
    parts.push({ start, end: Math.min(start + chunkSize, file.size) });
  }
  return parts;
}

/**
 * Holds the current signature of one upload and renews it before it runs out.
 * @param {UploadOptions} options
 * @param {Meter} meter
 */
function createPermit(options, meter) {
  /** @type {Signed | undefined} */
  let signed;
  /** @type {number} */
  let renewBelowSeconds;

  async function current() {
    if (signed && signed.secondsLeft() > renewBelowSeconds) return signed;
    meter.report('signing');
    signed = signed?.uploadId ? await renewSignature(signed, signed.uploadId, options) : await requestSignature(options);
    // A profile that lives one minute would otherwise be renewed before every part.
    renewBelowSeconds = Math.min(RENEW_BEFORE_SECONDS, signed.secondsLeft() / 2);
    options.onSigned?.(signed);
    return signed;
  }
  return { current, latest: async () => signed ?? current() };
}

/** @param {UploadOptions} options */
async function requestSignature(options) {
  // Nothing superfluous goes into the query: the server refuses parameters it does not know or need.
  const choices = {
    ...(options.profile && options.profile !== 'default' && { profile: options.profile }),
    ...(options.private && { should_secure_asset: true }),
    ...(options.resourceType && { resource_type: options.resourceType }),
  };
  const answer = options.params
    ? await callServer('POST', '/upload-signature', { ...choices, params: options.params }, options)
    : await callServer('GET', withQuery('/upload-signature', choices), undefined, options);
  return asSigned(answer);
}

/**
 * A new signature for the same grant, hence the same public id: parts already sent stay valid. It takes nothing more of a
 * quota, and says nothing of it.
 * @param {Signed} previous
 * @param {string} uploadId
 * @param {UploadOptions} options
 * @returns {Promise<Signed>}
 */
async function renewSignature({ quota }, uploadId, options) {
  return { ...(quota && { quota }), ...asSigned(await callServer('POST', '/upload-signature', { uploadId }, options)) };
}

/**
 * @param {ServerAnswer} answer
 * @returns {Signed}
 */
function asSigned({ data, elapsedSeconds }) {
  if (!data?.payload || typeof data.signature !== 'string' || typeof data.uploadUrl !== 'string') {
    throw new UploadError('unexpected_answer', 'The signing server answered without a signature.', { origin: 'server' });
  }
  const lifetime = data.expiresAt - data.serverTime;
  return {
    params: data.payload,
    stringToSign: stringToSign(data.payload),
    signature: data.signature,
    algorithm: algorithmOf(data.signature),
    apiKey: String(data.apiKey),
    cloudName: String(data.cloudname),
    uploadUrl: data.uploadUrl,
    expiresAt: data.expiresAt,
    expiresIn: data.expiresIn,
    secondsLeft: () => lifetime - elapsedSeconds(),
    ...(data.uploadId && { uploadId: String(data.uploadId) }),
    ...(data.quota && { quota: asQuotas(data.quota, data.serverTime, elapsedSeconds) }),
  };
}

/**
 * @param {Record<string, any>} quotas
 * @param {number} serverTime
 * @param {() => number} elapsedSeconds
 * @returns {NonNullable<Signed['quota']>}
 */
function asQuotas(quotas, serverTime, elapsedSeconds) {
  const lines = Object.entries(quotas).map(([measure, { limit, remaining, resetsAt }]) =>
    [measure, { limit, remaining, resetsAt, secondsLeft: () => resetsAt - serverTime - elapsedSeconds() }]);
  return Object.fromEntries(lines);
}

/** @param {string} signature in hex */
function algorithmOf(signature) {
  return { 40: 'SHA-1', 64: 'SHA-256' }[signature.length] ?? 'unknown';
}

/**
 * Sends one part (or the whole file) and resolves to the provider's answer.
 * @param {{ file: Blob, part: Part, transferId: string | undefined, signed: Signed, meter: Meter, options: UploadOptions }} transfer
 */
async function sendPart({ file, part, transferId, signed, meter, options }) {
  const { start, end } = part;
  const whole = transferId === undefined;
  const body = whole ? file : file.slice(start, end, file.type);
  const form = uploadForm(signed, body, options.filename ?? nameOf(file));
  /** @type {HeaderMap} */
  const headers = whole
    ? {}
    : { 'X-Unique-Upload-Id': transferId, 'Content-Range': `bytes ${start}-${end - 1}/${file.size}` };

  meter.report('uploading', start);
  try {
    return await postForm(signed.uploadUrl, form, headers, {
      signal: options.signal,
      // The form is a little larger than the part it carries; only the part counts.
      onSent: (fraction) => meter.report('uploading', start + Math.floor(fraction * (end - start))),
      onAllSent: () => meter.report(end === file.size ? 'finishing' : 'uploading', end),
    });
  } catch (error) {
    throw await blameUnreadableFile(error, file);
  }
}

/**
 * The form holds the signed parameters, api_key, signature and file, and nothing else: one field more or less and the
 * signature would not match.
 * @param {Signed} signed
 * @param {Blob} body
 * @param {string} filename
 */
function uploadForm(signed, body, filename) {
  const form = new FormData();
  for (const [name, value] of sentParameters(signed.params)) form.append(name, value);
  form.append('api_key', signed.apiKey);
  form.append('signature', signed.signature);
  form.append('file', body, filename);
  return form;
}

/** @param {Blob} file */
function nameOf(file) {
  return file instanceof File ? file.name : 'file';
}

/**
 * A file that was moved or changed after it was chosen fails like a broken connection; retrying would never help.
 * @param {unknown} error
 * @param {Blob} file
 */
async function blameUnreadableFile(error, file) {
  if (!(error instanceof UploadError) || error.code !== 'network_error') return error;
  try {
    await file.slice(0, 1).arrayBuffer();
    return error;
  } catch (cause) {
    return new UploadError('file_unreadable', 'The file was moved or changed after it was chosen.', { cause });
  }
}

/**
 * @param {any} answer
 * @returns {Asset}
 */
function asAsset(answer) {
  if (typeof answer?.public_id === 'string' && typeof answer.secure_url === 'string') return answer;
  throw new UploadError('unexpected_answer', 'The provider did not say what it stored.', { origin: 'provider' });
}

// ---- The string to sign ------------------------------------------------------------------------------------------

/**
 * The text whose hash, with the secret appended, is the signature: `name=value` sorted by name and joined with `&`. An `&`
 * inside a value becomes `%26`, so that a value can never pass for a further parameter; nothing else is escaped.
 *
 * @param {Params} params file, api_key, signature, cloud_name and resource_type are left out, as the provider does
 */
export function stringToSign(params) {
  return sentParameters(params)
    .filter(([name]) => !UNSIGNED_PARAMETERS.has(name))
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, value]) => `${name}=${value.replaceAll('&', '%26')}`)
    .join('&');
}

/**
 * The parameters as text, as they go over the wire; empty ones are neither sent nor signed.
 * @param {Params} params
 * @returns {[string, string][]}
 */
function sentParameters(params) {
  return Object.entries(params)
    .filter(([, value]) => value !== undefined && value !== null && value !== '')
    .map(([name, value]) => [name, Array.isArray(value) ? value.join(',') : String(value)]);
}

// ---- The other routes --------------------------------------------------------------------------------------------

/**
 * @typedef {object} DownloadRequest
 * @property {string} publicId for raw files with its extension
 * @property {string} [format] such as jpg; empty for raw
 * @property {ResourceType} [resourceType] default image
 * @property {DeliveryType} [type] default private
 * @property {boolean} [attachment] download instead of display
 * @property {number} [expiresIn] seconds, 1 to 3600; default 60
 */

/**
 * A link to a stored file that works until it expires, for private files too.
 *
 * @param {DownloadRequest & Connection} request
 * @returns {Promise<{ url: string, expiresAt: number, expiresIn: string, secondsLeft: () => number }>}
 * @throws {UploadError}
 */
export async function downloadUrl(request) {
  const path = withQuery('/download-url', {
    public_id: request.publicId,
    format: request.format ?? '',
    ...(request.resourceType && { resource_type: request.resourceType }),
    ...(request.type && { type: request.type }),
    ...(request.attachment && { attachment: true }),
    ...(request.expiresIn && { expires_in: request.expiresIn }),
  });
  const { data, serverTime, elapsedSeconds } = await withRetries(() => callServer('GET', path, undefined, request), request);
  if (typeof data?.downloadUrl !== 'string') {
    throw new UploadError('unexpected_answer', 'The server answered without a link.', { origin: 'server' });
  }
  const lifetime =
    serverTime === undefined ? (request.expiresIn ?? DEFAULT_LINK_SECONDS) : data.expiresAt - serverTime;
  return {
    url: data.downloadUrl,
    expiresAt: data.expiresAt,
    expiresIn: data.expiresIn,
    secondsLeft: () => lifetime - elapsedSeconds(),
  };
}

/**
 * @typedef {{ type: ResourceType, url: string }} FileToDelete `url` is the secure_url of the upload
 * @typedef {{ url: string, publicId: string, outcome: 'deleted' | 'not_found' | 'failed', message?: string }} DeleteResult
 * @typedef {{ resource_type: ResourceType, type: DeliveryType, response: any }} DeleteResponse
 */

/**
 * Deletes files by their URLs, at most 1,000 a call. When the provider failed on some of them the error's `data` holds
 * the same results as a success would.
 *
 * @param {FileToDelete[]} files
 * @param {Connection} [options]
 * @returns {Promise<{ deleteResponse: DeleteResponse[], results: DeleteResult[] }>} results in the order of `files`
 * @throws {UploadError}
 */
export async function deleteFiles(files, options = {}) {
  const { data } = await withRetries(() => callServer('DELETE', '/delete-files', { urls: files }, options), options);
  return data;
}

/**
 * Tells the server that a granted upload is finished, proven by the provider's own signed answer. `upload` does it by
 * itself; this is for uploads made otherwise. A file that breaks the profile is deleted, and its grant `rejected`.
 *
 * @param {string} uploadId
 * @param {Asset} asset
 * @param {Connection} [options]
 * @returns {Promise<Grant>}
 * @throws {UploadError}
 */
export async function confirmUpload(uploadId, asset, options = {}) {
  return sendConfirmation(uploadId, asset, options);
}

/**
 * @param {string} uploadId
 * @param {Asset} asset
 * @param {Connection} options
 * @param {(retry: NonNullable<Progress['retry']>) => void} [onWait]
 * @returns {Promise<Grant>}
 */
async function sendConfirmation(uploadId, { public_id, version, signature, resource_type }, options, onWait) {
  const proof = { public_id, version, signature, resource_type };
  const { data } = await withRetries(() => callServer('POST', `${grantPath(uploadId)}/confirm`, proof, options), options, onWait);
  return asGrant(data);
}

/**
 * @typedef {object} UploadsRequest
 * @property {number} [limit] how many grants at most, 1 to 100; default 20
 * @property {string} [cursor] the `nextCursor` of the page before
 * @property {GrantState} [state] only those
 * @property {string} [subject] another caller's, for administrators
 */

/**
 * The caller's grants that the server keeps, the latest first, in pages.
 *
 * @param {UploadsRequest & Connection} [options]
 * @returns {Promise<{ uploads: Grant[], nextCursor?: string }>} without `nextCursor` it was the last page
 * @throws {UploadError}
 */
export async function listUploads(options = {}) {
  const { limit, cursor, state, subject } = options;
  const path = withQuery('/uploads', {
    ...(limit && { limit }), ...(cursor && { cursor }), ...(state && { state }), ...(subject && { subject }),
  });
  const { data } = await withRetries(() => callServer('GET', path, undefined, options), options);
  if (!Array.isArray(data?.uploads)) {
    throw new UploadError('unexpected_answer', 'The server answered without a list.', { origin: 'server' });
  }
  return data;
}

/**
 * Deletes what was uploaded with a grant, or takes an unused grant back: what comes with it later is deleted too.
 *
 * @param {string} uploadId
 * @param {Connection} [options]
 * @returns {Promise<Grant>}
 * @throws {UploadError}
 */
export async function deleteUpload(uploadId, options = {}) {
  const { data } = await withRetries(() => callServer('DELETE', grantPath(uploadId), undefined, options), options);
  return asGrant(data);
}

/** @param {string} uploadId */
function grantPath(uploadId) {
  return `/uploads/${encodeURIComponent(uploadId)}`;
}

/**
 * @param {any} data
 * @returns {Grant}
 */
function asGrant(data) {
  if (typeof data?.uploadId === 'string' && typeof data.state === 'string') return data;
  throw new UploadError('unexpected_answer', 'The server did not say what became of the upload.', { origin: 'server' });
}

// ---- Uploadcare --------------------------------------------------------------------------------------------------

/**
 * @typedef {object} UploadcarePair
 * @property {string} secureSignature
 * @property {string} secureExpire Unix seconds as text
 */

/**
 * @typedef {object} UploadcareChoices
 * @property {string} [profile] the server's profile; default `uploadcare`
 * @property {(error: UploadError) => void} [onError] called when no signature can be had, after all retries
 * @property {() => void} [onSigned] called with every new signature
 * @typedef {Connection & UploadcareChoices} UploadcareOptions
 */

/**
 * A resolver for the Uploadcare component, and what keeps it from uploading without a signature.
 * @typedef {(() => Promise<UploadcarePair>) & UploadcareGuards} UploadcareResolver
 *
 * @typedef {object} UploadcareGuards
 * @property {{ runOn: 'add', validator: () => Promise<{ message: string } | undefined> }} validator for `fileValidators`: a
 *   file is only uploaded once there is a signature, and says why if there is none
 * @property {() => Promise<Record<string, string>>} metadata for `metadata`, once for each file: attributes the file to the
 *   caller, under profiles that keep a ledger
 * @property {() => void} forget asks for a new signature next time, such as after the provider refused one
 */

/**
 * Gives Uploadcare's File Uploader its signatures.
 *
 *     const resolver = uploadcareResolver({ endpoint: 'https://sign.example.com' });
 *     const config = document.querySelector('uc-config');
 *     config.secureUploadsSignatureResolver = resolver;
 *     config.fileValidators = [resolver.validator];
 *     config.metadata = resolver.metadata;
 *
 * Failures that may pass are retried, three times unless `retries` says otherwise. One signature serves every file until
 * less than ten minutes (or half its lifetime) are left, or as many files are uploaded as the server allows under one; files
 * that ask at the same time share one request. By itself the component uploads without a signature when its resolver fails;
 * this one then gives it something that cannot be sent.
 *
 * @param {UploadcareOptions} [options]
 * @returns {UploadcareResolver}
 */
export function uploadcareResolver(options = {}) {
  /** @type {HeldPair | undefined} */
  let held;
  /** @type {Promise<HeldPair> | undefined} */
  let underWay;

  /** A signature that is good for another file; with `forFile: false`, for one that has its metadata already. */
  async function hold({ forFile = true } = {}) {
    if (held?.isFresh() && !(forFile && held.files?.length === 0)) return held;
    underWay ??= requestPair(options).finally(() => { underWay = undefined; });
    const previous = held;
    held = await underWay;
    if (held !== previous) options.onSigned?.();
    return held;
  }

  /** Metadata that no other file gets: a label is good for one file. */
  async function takeMetadata() {
    for (;;) {
      const { files } = await hold();
      const metadata = files ? files.shift() : {};
      if (metadata) return metadata;
    }
  }

  /** @param {unknown} error */
  function tell(error) {
    const failure = error instanceof UploadError ? error : noAnswer('server', error);
    options.onError?.(failure);
    return failure;
  }

  return Object.assign(() => hold({ forFile: false }).then(({ pair }) => pair, (error) => unsendable(tell(error))), {
    validator: {
      runOn: /** @type {const} */ ('add'),
      validator: () => hold().then(() => undefined, (error) => ({ message: `Not uploaded: ${tell(error).message}` })),
    },
    // A failure is thrown: the component may hold an older signature, and a file without a label would be nobody's.
    metadata: () => takeMetadata().catch((error) => { throw tell(error); }),
    forget() { held = undefined; },
  });
}

/** The component itself takes a signature with less than this left for expired. */
const UPLOADCARE_THRESHOLD_SECONDS = 600;
const UPLOADCARE_RETRIES = 3;

/**
 * A signature, and what is left of the metadata that came with it: one entry for each file, where the server counts them.
 * @typedef {{ pair: UploadcarePair, files?: Record<string, string>[], isFresh: () => boolean }} HeldPair
 */

/** @param {UploadcareOptions} options @returns {Promise<HeldPair>} */
function requestPair({ retries = UPLOADCARE_RETRIES, ...options }) {
  const query = { ...(options.profile && { profile: options.profile }), per_file: 'true' };
  const path = withQuery('/uploadcare-signature', query);
  return withRetries(async () => {
    const elapsedSeconds = startTimer();
    const { status, headers, text } = await fetchText('GET', path, undefined, options);
    const answer = parseJson(text);
    if (status >= 400) throw serverRefusal(status, headers, answer);
    const { secureSignature, secureExpire, fileMetadata: files } = answer ?? {};
    if (!secureSignature || !secureExpire) {
      throw new UploadError('unexpected_answer', 'The signing server answered without a signature.', { origin: 'server' });
    }
    const lifetime = Number(secureExpire) - (dateOf(headers) ?? Date.now() / 1000);
    const reserve = Math.min(UPLOADCARE_THRESHOLD_SECONDS, lifetime / 2);
    return {
      pair: { secureSignature: String(secureSignature), secureExpire: String(secureExpire) },
      ...(files?.length > 0 && { files }),
      isFresh: () => lifetime - elapsedSeconds() > reserve,
    };
  }, { ...options, retries });
}

/**
 * A pair that the component takes, holds for expired at once, and fails over before it sends anything.
 * @param {UploadError} error
 * @returns {UploadcarePair}
 */
function unsendable(error) {
  const expire = Object.defineProperties({}, {
    valueOf: { value: () => 0 },
    none: { enumerable: true, get() { throw error; } },
  });
  return { secureSignature: 'none', secureExpire: /** @type {any} */ (expire) };
}

// ---- Talking to the countersign server ---------------------------------------------------------------------------

/**
 * @typedef {object} ServerAnswer
 * @property {any} data
 * @property {number} [serverTime] Unix seconds at which the server answered
 * @property {() => number} elapsedSeconds since the request was sent, so an answer never seems fresher than it is
 */

/**
 * One request to the server, opened from its envelope.
 * @param {string} method
 * @param {string} path
 * @param {unknown} body
 * @param {Connection} connection
 * @returns {Promise<ServerAnswer>}
 */
async function callServer(method, path, body, connection) {
  const elapsedSeconds = startTimer();
  const { status, headers, text } = await fetchText(method, path, body, connection);
  const envelope = parseJson(text);
  if (status >= 400 || envelope?.status !== 'success') throw serverRefusal(status, headers, envelope);
  return { data: envelope.data, serverTime: envelope.data?.serverTime ?? dateOf(headers), elapsedSeconds };
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} body
 * @param {Connection} connection
 */
async function fetchText(method, path, body, connection) {
  const answer = await fetchOnce(method, path, body, connection, { refresh: false });
  if (answer.status !== 401 || connection.getToken === undefined) return answer;
  return fetchOnce(method, path, body, connection, { refresh: true });
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} body
 * @param {Connection} connection
 * @param {TokenRequest} tokenRequest
 */
async function fetchOnce(method, path, body, connection, tokenRequest) {
  const { endpoint = '', signal } = connection;
  throwIfCancelled(signal);
  const headers = await requestHeaders(connection, tokenRequest);
  if (body !== undefined) headers.set('Content-Type', 'application/json');
  const deadline = createDeadline(signal);
  try {
    const response = await (connection.fetch ?? globalThis.fetch)(endpoint.replace(/\/$/, '') + path, {
      method,
      cache: 'no-store',
      signal: deadline.signal,
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  } catch (cause) {
    throwIfCancelled(signal);
    throw noAnswer('server', cause);
  } finally {
    deadline.clear();
  }
}

/**
 * The caller's own headers and token. Getting them may hang, and must not outlive a cancellation.
 * @param {Connection} connection
 * @param {TokenRequest} tokenRequest
 */
async function requestHeaders({ headers: own, getToken, signal }, tokenRequest) {
  const all = new Headers({ Accept: 'application/json' });
  const given = typeof own === 'function' ? await unlessCancelled(own, signal) : own;
  for (const [name, value] of Object.entries(given ?? {})) all.set(name, value);
  const token = getToken && (await unlessCancelled(() => getToken(tokenRequest), signal));
  if (token) all.set('Authorization', `Bearer ${token}`);
  return all;
}

/** @param {AbortSignal} [outer] */
function createDeadline(outer) {
  const controller = new AbortController();
  const stop = () => controller.abort();
  const timer = setTimeout(stop, SERVER_DEADLINE_MS);
  outer?.addEventListener('abort', stop);
  return {
    signal: controller.signal,
    clear() {
      clearTimeout(timer);
      outer?.removeEventListener('abort', stop);
    },
  };
}

/**
 * @param {number} status
 * @param {Headers} headers
 * @param {any} envelope
 */
function serverRefusal(status, headers, envelope) {
  const fallback = status === 429 ? 'rate_limited' : status >= 500 ? 'server_unavailable' : 'unexpected_answer';
  const guess = status < 400
    ? 'The answer does not come from a countersign server: check the endpoint.'
    : `The signing server answered HTTP ${status}.`;
  return new UploadError(envelope?.code ?? fallback, envelope?.message ?? guess, {
    origin: 'server',
    status,
    requestId: envelope?.requestId ?? headers.get('x-request-id') ?? undefined,
    retryable: mayPass(status),
    retryAfterSeconds: parseRetryAfter(headers.get('retry-after'), headers.get('date')),
    data: envelope?.data,
  });
}

/** @param {Headers} headers @returns {number | undefined} */
function dateOf(headers) {
  const milliseconds = Date.parse(headers.get('date') ?? '');
  return Number.isNaN(milliseconds) ? undefined : milliseconds / 1000;
}

/**
 * @param {string} path
 * @param {Record<string, string | number | boolean>} query
 */
function withQuery(path, query) {
  const text = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}

/** @param {Connection} options @returns {Connection} */
function connectionOf({ endpoint, headers, getToken, fetch, signal, retries }) {
  return { endpoint, headers, getToken, fetch, signal, retries };
}

// ---- Talking to the provider -------------------------------------------------------------------------------------

/**
 * Posts a form with XMLHttpRequest, since fetch cannot report how much of a body was sent.
 * @param {string} url
 * @param {FormData} form
 * @param {HeaderMap} headers
 * @param {{ signal?: AbortSignal, onSent: (fraction: number) => void, onAllSent: () => void }} hooks
 * @returns {Promise<any>}
 */
function postForm(url, form, headers, { signal, onSent, onAllSent }) {
  return new Promise((resolve, reject) => {
    throwIfCancelled(signal);
    const xhr = new XMLHttpRequest();
    const stop = () => xhr.abort();
    const stall = createAlarm(STALL_MS, stop);
    const fail = () => reject(signal?.aborted ? cancelled(signal) : noAnswer('provider'));

    xhr.upload.addEventListener('progress', (event) => {
      stall.restart();
      onSent(event.total > 0 ? event.loaded / event.total : 0);
    });
    // Once all is sent the provider may take its time to store and look at the file.
    xhr.upload.addEventListener('load', () => { stall.clear(); onAllSent(); });
    xhr.addEventListener('load', () => {
      const answer = parseJson(xhr.responseText);
      if (xhr.status >= 200 && xhr.status < 300) resolve(answer);
      else reject(providerRefusal(xhr, answer));
    });
    xhr.addEventListener('error', fail);
    xhr.addEventListener('abort', fail);
    xhr.addEventListener('loadend', () => { stall.clear(); signal?.removeEventListener('abort', stop); });
    signal?.addEventListener('abort', stop);

    xhr.open('POST', url);
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    stall.restart();
    xhr.send(form);
  });
}

/**
 * @param {XMLHttpRequest} xhr
 * @param {any} answer
 */
function providerRefusal(xhr, answer) {
  const { status } = xhr;
  const headers = visibleHeaders(xhr);
  const code = { 413: 'provider_refused', 420: 'provider_rate_limited', 429: 'provider_rate_limited' }[status]
    ?? (status >= 500 ? 'provider_unavailable' : 'provider_refused');
  return new UploadError(code, answer?.error?.message ?? headers.get('x-cld-error') ?? `The provider answered HTTP ${status}.`, {
    origin: 'provider',
    status,
    requestId: headers.get('x-request-id') ?? undefined,
    retryable: mayPass(status),
    retryAfterSeconds: parseRetryAfter(headers.get('retry-after'), headers.get('date')),
  });
}

/**
 * Asking XMLHttpRequest for a header that CORS hides logs an error in the console; the list of visible ones does not.
 * @param {XMLHttpRequest} xhr
 */
function visibleHeaders(xhr) {
  const headers = new Headers();
  for (const line of xhr.getAllResponseHeaders().trim().split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return headers;
}

// ---- Retrying, waiting, cancelling -------------------------------------------------------------------------------

/**
 * Tries until it works, the failure is final, or the retries are used up.
 * @template T
 * @param {() => Promise<T>} attempt
 * @param {Connection} options
 * @param {(retry: NonNullable<Progress['retry']>) => void} [onWait]
 * @returns {Promise<T>}
 */
async function withRetries(attempt, { retries = DEFAULT_RETRIES, signal }, onWait) {
  for (let failures = 1; ; failures++) {
    try {
      throwIfCancelled(signal);
      return await attempt();
    } catch (error) {
      // Anything else is the caller's own, thrown by a callback: pass it on as it is.
      if (!(error instanceof UploadError) || failures > retries || !worthRetrying(error)) throw error;
      const delay = retryDelay(error, failures);
      onWait?.({ attempt: failures + 1, attempts: retries + 1, inSeconds: delay / 1000, error });
      await pause(delay, { signal, endsOnline: error.code === 'offline' });
    }
  }
}

/** @param {UploadError} error */
function worthRetrying(error) {
  // A quota has its period: nothing comes of asking before the next one, and that may begin next month.
  if (error.code === 'quota_exceeded' && error.retryAfterSeconds === undefined) return false;
  // An error with data comes from a server that has already retried and says what it got done.
  return error.retryable && error.data === undefined && (error.retryAfterSeconds ?? 0) <= LONGEST_RETRY_AFTER_SECONDS;
}

/** @param {number} status */
function mayPass(status) {
  return status === 420 || status === 429 || status >= 500;
}

/**
 * Exponential backoff with full jitter; what the other side asks for is never undercut.
 * @param {UploadError} error
 * @param {number} failures
 * @returns {number} milliseconds
 */
function retryDelay(error, failures) {
  if (error.code === 'offline') return OFFLINE_WAIT_MS;
  const backoff = Math.random() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** (failures - 1));
  if (error.retryAfterSeconds === undefined) return backoff;
  return error.retryAfterSeconds * 1000 + Math.min(backoff, 1000);
}

/**
 * @param {number} milliseconds
 * @param {{ signal?: AbortSignal, endsOnline?: boolean }} ends
 * @returns {Promise<void>}
 */
function pause(milliseconds, { signal, endsOnline = false }) {
  return new Promise((resolve, reject) => {
    throwIfCancelled(signal);
    const finish = () => {
      clearTimeout(timer);
      globalThis.removeEventListener('online', finish);
      signal?.removeEventListener('abort', finish);
      if (signal?.aborted) reject(cancelled(signal));
      else resolve();
    };
    const timer = setTimeout(finish, milliseconds);
    if (endsOnline) globalThis.addEventListener('online', finish);
    signal?.addEventListener('abort', finish);
  });
}

/** @param {AbortSignal} [signal] */
function throwIfCancelled(signal) {
  if (signal?.aborted) throw cancelled(signal);
}

/**
 * What a callback of the caller's gives, unless that takes longer than until the cancellation.
 * @template T
 * @param {() => T | Promise<T>} callback
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
function unlessCancelled(callback, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => { if (signal) reject(cancelled(signal)); };
    signal?.addEventListener('abort', stop, { once: true });
    Promise.resolve(callback()).then(resolve, reject).finally(() => signal?.removeEventListener('abort', stop));
  });
}

/** @param {AbortSignal} signal */
function cancelled(signal) {
  return new UploadError('cancelled', 'The upload was cancelled.', { cause: signal.reason });
}

/**
 * @param {'server' | 'provider'} origin
 * @param {unknown} [cause]
 */
function noAnswer(origin, cause) {
  const offline = globalThis.navigator?.onLine === false;
  const who = origin === 'server' ? 'signing server' : 'provider';
  return offline
    ? new UploadError('offline', 'This device is offline.', { origin, retryable: true, cause })
    : new UploadError('network_error', `The ${who} did not answer.`, { origin, retryable: true, cause });
}

/**
 * At most `limit` are inside at once; the others enter in the order they came.
 * @param {number} limit
 */
function createGate(limit) {
  let free = limit;
  /** @type {(() => void)[]} */
  const waiting = [];

  /** @param {AbortSignal} [signal] @returns {Promise<void>} */
  function enter(signal) {
    return new Promise((resolve, reject) => {
      throwIfCancelled(signal);
      const admit = () => {
        signal?.removeEventListener('abort', giveUp);
        free -= 1;
        resolve();
      };
      const giveUp = () => {
        waiting.splice(waiting.indexOf(admit), 1);
        if (signal) reject(cancelled(signal));
      };
      if (free > 0) return admit();
      waiting.push(admit);
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }
  function leave() {
    free += 1;
    waiting.shift()?.();
  }
  return { enter, leave };
}

// ---- Measuring ---------------------------------------------------------------------------------------------------

/** @typedef {ReturnType<typeof createMeter>} Meter */

/**
 * Reports progress, with a rate averaged over the last seconds.
 * @param {number} total
 * @param {((progress: Progress) => void) | undefined} onProgress
 */
function createMeter(total, onProgress) {
  let loaded = 0;
  /** @type {{ at: number, loaded: number }[]} */
  let samples = [];

  function bytesPerSecond() {
    const first = samples[0];
    const last = samples[samples.length - 1];
    return first && last && last.at > first.at ? ((last.loaded - first.loaded) * 1000) / (last.at - first.at) : 0;
  }

  /** @param {Progress['phase']} phase @param {number} [sent] */
  function report(phase, sent = loaded) {
    const at = performance.now();
    // A part that is sent again takes back what its first try had counted.
    if (sent < loaded) samples = [];
    loaded = sent;
    if (phase === 'uploading') samples = [...samples.filter((sample) => at - sample.at < RATE_WINDOW_MS), { at, loaded }];
    onProgress?.({ loaded, total, bytesPerSecond: bytesPerSecond(), phase });
  }

  /** @param {NonNullable<Progress['retry']>} retry */
  function waiting(retry) {
    samples = [];
    onProgress?.({ loaded, total, bytesPerSecond: 0, phase: 'waiting', retry });
  }
  return { report, waiting };
}

/**
 * Seconds since now. The monotonic clock makes a wrong or corrected system clock harmless; but some browsers stop it while
 * the machine sleeps, so the larger of the two counts: that can only make us renew too early.
 */
function startTimer() {
  const monotonic = performance.now();
  const wall = Date.now();
  return () => Math.max(performance.now() - monotonic, Date.now() - wall) / 1000;
}

/**
 * @param {number} milliseconds
 * @param {() => void} ring
 */
function createAlarm(milliseconds, ring) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const clear = () => clearTimeout(timer);
  return { clear, restart() { clear(); timer = setTimeout(ring, milliseconds); } };
}

// ---- Small parsers -----------------------------------------------------------------------------------------------

/** @param {string} text @returns {any} undefined when it is not JSON */
function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * @param {string | null} value seconds, or an HTTP date
 * @param {string | null} date when the answer was made, by the clock that made it
 * @returns {number | undefined} seconds
 */
function parseRetryAfter(value, date) {
  if (!value) return undefined;
  if (/^\d+$/.test(value.trim())) return Number(value);
  const until = Date.parse(value);
  if (Number.isNaN(until)) return undefined;
  const now = Date.parse(date ?? '') || Date.now();
  return Math.max(0, (until - now) / 1000);
}

/** crypto.randomUUID exists only on https and localhost; random bytes are everywhere. */
function randomId() {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
