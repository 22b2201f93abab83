// Errors: one class with a code, and a hint for each code. Aborts by the caller are DOMExceptions named AbortError, as with fetch.

import { sentenceOf, type Reason, type ReasonName } from './reasons.ts';

/** Kinds of errors. Errors that a user can do the same about have the same code. */
export type RuntimeErrorCode =
  | 'insecure-context' // the page is not served over https or from localhost
  | 'no-webgpu' // the browser or the machine has no WebGPU adapter
  | 'faulty-gpu' // the adapter computes wrong numbers
  | 'limits' // the adapter allows less than the model needs
  | 'download' // a file cannot be fetched
  | 'integrity' // a file has other bytes than published
  | 'quota' // the browser's storage is full; only ever a notice, since memory serves instead
  | 'bad-model' // the manifest cannot be understood
  | 'device-lost' // the GPU was reset several times in a row
  | 'out-of-memory' // the GPU or the tab has no memory left
  | 'bad-request' // a field of a request is wrong or not supported
  | 'conflict' // another tab has opened the model with other options
  | 'suspended' // the tab that runs the model does not answer
  | 'closed' // close() was called, or the tab that ran the model is gone
  | 'internal'; // a fault of this library

const hints: Record<RuntimeErrorCode, string> = {
  'insecure-context': 'Serve the page over https, or from localhost.',
  'no-webgpu': 'Use a current Chrome, Edge, Safari or Firefox with hardware acceleration switched on.',
  'faulty-gpu': 'Update the browser and the graphics driver, or use another browser.',
  limits: 'Use a more capable GPU or a smaller model or context.',
  download: 'Check the connection and that the host serves this URL to this page (CORS), then try again; what arrived is kept.',
  integrity: 'The host serves other bytes than were published: tell whoever runs it, or use another mirror.',
  quota: 'Free disk space or delete other stored models; until then the model is downloaded on each visit.',
  'bad-model': 'Give the URL of a manifest.json that `gossamer pack` wrote, or of its directory.',
  'device-lost': 'Close other programs that use the GPU, update its driver, then load the model again.',
  'out-of-memory': 'Close other tabs and programs that use the GPU, or take a smaller context or model.',
  'bad-request': 'Correct the request.',
  conflict: 'Close the other tab, or ask for the same options or none.',
  suspended: 'The browser may have suspended that tab: bring it to the front, or close it, and another one takes over.',
  closed: 'Call create() again.',
  internal: 'Load the model again; if it happens again, please report it.',
};

/** Facts about an error, where they apply. */
export interface RuntimeErrorDetails {
  /** What exactly went wrong, for whoever says it in another language; undefined: only the message says it. */
  reason?: Reason | undefined;
  /** What the user can do; undefined: the hint of the code. */
  hint?: string | undefined;
  /** Of the file in question. */
  url?: string | undefined;
  /** HTTP status of the last attempt. */
  status?: number | undefined;
  /** What was expected: a SHA-256, or a limit's value. */
  want?: string | number | undefined;
  /** What was there instead. */
  got?: string | number | undefined;
  /** The device limit that is missing. */
  limit?: string | undefined;
  /** The request's field in question. */
  param?: string | undefined;
  /** The answer of OpenAI's API to this error, if it comes from the engine. */
  api?: { status: number; error: APIError } | undefined;
}

/** The error object of OpenAI's API. */
export interface APIError {
  message: string;
  type: string;
  param: string | null;
  code: string | null;
}

/** Every failure of this library except an abort. */
export class RuntimeError extends Error {
  readonly code: RuntimeErrorCode;
  /** What one can do about it, a sentence. */
  readonly hint: string;
  readonly details: Readonly<RuntimeErrorDetails>;

  constructor(code: RuntimeErrorCode, message: string, details: RuntimeErrorDetails = {}) {
    super(message);
    this.name = 'RuntimeError';
    this.code = code;
    this.hint = details.hint ?? hints[code];
    this.details = details;
  }
}

/** An error with a reason, which its message says in a sentence, behind the URL in details. */
export function errorOf(code: RuntimeErrorCode, name: ReasonName, values: Reason['values'] = {}, details: RuntimeErrorDetails = {}): RuntimeError {
  const reason: Reason = { name, values, url: details.url };
  return new RuntimeError(code, sentenceOf(reason), { ...details, reason });
}

/** The error outside a browser. */
export function notBrowser(): RuntimeError {
  return new RuntimeError('no-webgpu', 'this is not a browser: the package runs models in pages', {
    hint: 'Call this in a page, where frameworks render in the browser; on a server, run the command `gossamer serve` and use its API.',
  });
}

/** Whether an error is an abort. */
export function isAbort(error: unknown): boolean {
  return typeof error === 'object' && error !== null && (error as { name?: unknown }).name === 'AbortError';
}

/** The error that an aborted signal stands for. */
export function abortError(signal?: AbortSignal): unknown {
  return signal?.reason ?? new DOMException('The operation was aborted.', 'AbortError');
}

/** An error between worker and page. */
export type WireError = { code: RuntimeErrorCode; message: string; details: RuntimeErrorDetails } | { code: 'aborted'; message: string };

/** Converts any error to one that can be sent. An error without a code of RuntimeError becomes 'internal'. */
export function toWire(error: unknown): WireError {
  const e = (typeof error === 'object' && error !== null ? error : { message: String(error) }) as Error & {
    code?: unknown;
    details?: RuntimeErrorDetails;
    hint?: string;
    param?: string;
  };
  const message = String(e.message ?? error);
  if (isAbort(e) || e.code === 'aborted') {
    return { code: 'aborted', message };
  }
  if (typeof e.code === 'string' && Object.hasOwn(hints, e.code)) {
    return { code: e.code as RuntimeErrorCode, message, details: { hint: e.hint, param: e.param, ...e.details } };
  }
  return { code: 'internal', message, details: {} };
}

/** Converts an error that was sent. */
export function fromWire(e: WireError): Error {
  return e.code === 'aborted' ? new DOMException(e.message, 'AbortError') : new RuntimeError(e.code, e.message, e.details);
}
