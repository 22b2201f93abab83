// Downloads a range of bytes. After an interruption the download continues from the byte where it stopped.

import { abortError, RuntimeError } from './errors.ts';
import { fetchFile } from './files.ts';
import { backoff, judge, maxFailures } from './retry.ts';

/** What tests change of the way in which downloads are repeated. The rules are in retry.ts. */
export interface RetryPolicy {
  /** Attempts in a row that bring no byte before the download is given up. */
  attempts: number;
  /** Milliseconds without a byte after which an attempt is given up. */
  stall: number;
  /** Waits so many milliseconds; rejects with the signal's reason. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Gives up after about a minute without a connection. */
export const defaultRetryPolicy: RetryPolicy = { attempts: maxFailures, stall: 30_000, sleep };

/** Attempts for a small text, after which an earlier visit's copy is used. */
const textAttempts = 3;

/** A range of bytes at a URL. */
export interface Range {
  url: string;
  /** undefined: the whole file. */
  offset?: number | undefined;
  bytes: number;
}

/** Receives bytes at a position of the range. Positions follow each other, but start again at 0 if the host cannot resume. */
export type Take = (at: number, bytes: Uint8Array<ArrayBuffer>) => void;

const unreachable = 'the host cannot be reached, or does not allow this page (CORS)';

/** A failure after which another attempt may succeed. */
class Interruption extends Error {
  readonly status: number | undefined;
  /** Milliseconds that the host asks to wait. */
  readonly wait: number;

  constructor(message: string, status?: number, wait = 0) {
    super(message);
    this.status = status;
    this.wait = wait;
  }
}

/** Fetches the bytes of range from position from on. Rejects with RuntimeError 'download', or with the signal's reason. */
export async function download(range: Range, from: number, take: Take, signal: AbortSignal, policy: RetryPolicy = defaultRetryPolicy): Promise<void> {
  let at = from;
  for (let failures = 0; at < range.bytes; ) {
    const before = at;
    try {
      await attempt(range, at, signal, policy.stall, (position, bytes) => {
        take(position, bytes);
        at = position + bytes.length;
      });
      return;
    } catch (error) {
      if (signal.aborted) {
        throw abortError(signal);
      }
      if (!(error instanceof Interruption)) {
        throw error;
      }
      failures = at > before ? 1 : failures + 1;
      if (failures >= policy.attempts) {
        throw failed(range.url, `${error.message} (${failures} attempts)`, error.status);
      }
      await policy.sleep(pause(failures, error.wait), signal);
    }
  }
}

/** One request. */
async function attempt(range: Range, at: number, signal: AbortSignal, stall: number, take: Take): Promise<void> {
  const { url, bytes } = range;
  const first = (range.offset ?? 0) + at;
  const partial = range.offset !== undefined || at > 0;
  const stop = new AbortController();
  const follow = () => stop.abort(signal.reason);
  signal.addEventListener('abort', follow);
  let body: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined;
  const giveUp = () => {
    stop.abort();
    body?.cancel().catch(() => {}); // in case the browser ignores the signal for the body
  };
  let timer = setTimeout(giveUp, stall);
  try {
    let response: Response;
    try {
      response = await fetchFile(url, {
        // The bytes are stored already, so the HTTP cache should not store them a second time.
        cache: 'no-store',
        signal: stop.signal,
        ...(partial && { headers: { Range: `bytes=${first}-${(range.offset ?? 0) + bytes - 1}` } }),
      });
    } catch {
      // fetch does not say which of these it was: the network, DNS, a refused connection or CORS.
      throw new Interruption(stop.signal.aborted ? `no answer for ${stall / 1000} s` : unreachable);
    }
    body = checkResponse(range, response, first, partial);
    let position = response.status === 206 ? at : 0;
    for (;;) {
      let piece: ReadableStreamReadResult<Uint8Array<ArrayBuffer>>;
      try {
        piece = await body.read();
      } catch {
        throw new Interruption(stop.signal.aborted ? `no byte for ${stall / 1000} s` : 'the connection broke');
      }
      if (piece.done) {
        break;
      }
      clearTimeout(timer);
      timer = setTimeout(giveUp, stall);
      if (position + piece.value.length > bytes) {
        throw failed(range.url, `the host sends more than the ${bytes} bytes of the manifest`, response.status);
      }
      take(position, piece.value);
      position += piece.value.length;
    }
    if (position < bytes) {
      throw new Interruption(`the connection ended after ${position} of ${bytes} bytes`);
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', follow);
    stop.abort(); // closes the connection after an error
  }
}

/** Refuses answers that do not bring the bytes asked for. */
function checkResponse(range: Range, response: Response, first: number, partial: boolean): ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> {
  const { status } = response;
  if (status === 416 || (status === 206 && !partial)) {
    throw failed(range.url, `the host answers ${status}: the file is not as the manifest says`, status);
  }
  if (status !== 200 && status !== 206) {
    throw refused(range.url, response);
  }
  if (status === 200 && range.offset !== undefined) {
    throw failed(range.url, 'the host does not serve ranges of files', status, 'Pack the model into chunks with `gossamer pack`, or use a host that honours Range.');
  }
  const begins = status === 206 ? /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1] : undefined;
  if (begins !== undefined && Number(begins) !== first) {
    throw failed(range.url, `the host answers with bytes from ${begins} on instead of ${first}`, status);
  }
  if (!response.body) {
    throw new Interruption('the answer is empty', status);
  }
  return response.body.getReader();
}

/** The error for a status other than 200 and 206: an Interruption if another attempt may succeed. */
function refused(url: string, response: Response): Interruption | RuntimeError {
  const { status } = response;
  const { retry, wait } = judge(status, response.headers.get('retry-after'));
  const why = `the host answers ${status}`;
  if (retry) {
    return new Interruption(why, status, wait);
  }
  if (wait > 0) {
    const minutes = Math.ceil(wait / 60_000);
    return failed(url, `${why} and asks to wait for ${minutes} minutes`, status, 'Load the model again after that time; what arrived is kept.');
  }
  return failed(url, why, status);
}

/** Milliseconds until the next attempt. A part is drawn at random, so that several connections do not come back at the same moment. */
function pause(failures: number, wait: number): number {
  const { least, most } = backoff(failures);
  return Math.max(least + Math.random() * (most - least), wait);
}

function failed(url: string, why: string, status?: number, hint?: string): RuntimeError {
  const gone = status === 404 || status === 410;
  return new RuntimeError('download', `${url}: ${why}`, {
    url,
    status,
    hint: hint ?? (gone ? 'Check the model\'s URL: this file is not there.' : undefined),
  });
}

/** Fetches a small text, such as the manifest. */
export async function fetchText(url: string, signal: AbortSignal, policy: RetryPolicy = defaultRetryPolicy): Promise<string> {
  for (let failures = 1; ; failures++) {
    try {
      const response = await fetchFile(url, { cache: 'no-cache', signal: AbortSignal.any([signal, AbortSignal.timeout(policy.stall)]) });
      if (response.ok) {
        return await response.text();
      }
      throw refused(url, response);
    } catch (error) {
      if (signal.aborted) {
        throw abortError(signal);
      }
      if (error instanceof RuntimeError) {
        throw error;
      }
      if (failures >= textAttempts) {
        throw failed(url, error instanceof Interruption ? error.message : unreachable);
      }
      await policy.sleep(pause(failures, error instanceof Interruption ? error.wait : 0), signal);
    }
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    const stop = () => {
      clearTimeout(timer);
      reject(abortError(signal));
    };
    signal.addEventListener('abort', stop, { once: true });
  });
}
