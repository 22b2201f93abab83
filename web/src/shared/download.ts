// Downloads a range of bytes. After an interruption the download continues from the byte where it stopped.

import { abortError, RuntimeError } from './errors.ts';
import { differs, versionOf, type FileVersion } from './file-state.ts';
import { fetchFile } from './files.ts';
import { checkRedirect } from './hosts.ts';
import { sentenceOf, type Reason, type ReasonName } from './reasons.ts';
import { backoff, judge, maxFailures, minRate, openFailures, stallTimeout } from './retry.ts';

/** What tests change of the way in which downloads are repeated. The rules are in retry.ts. */
export interface RetryPolicy {
  /** Attempts in a row that bring no byte before the download is given up. */
  attempts: number;
  /** Milliseconds after which an attempt is given up that brought no answer, or fewer than minRate bytes a second. */
  stall: number;
  /** Waits so many milliseconds; rejects with the signal's reason. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Told of each such wait before it begins, and of the status that is the reason for it; undefined: the connection broke. */
  onWait?: (ms: number, status: number | undefined) => void;
}

/** Gives up after about a minute without a connection. */
export const defaultRetryPolicy: RetryPolicy = { attempts: maxFailures, stall: stallTimeout, sleep };

/**
 * Milliseconds in which the small files that a model is opened with must be answered: a page cannot tell a host that is slow from one
 * that is not there.
 */
const openTimeout = 10_000;

/** Bytes of the largest text that is fetched: the engine reads no larger manifest. */
const maxTextBytes = 8 << 20;

/** A range of bytes at a URL. */
export interface Range {
  url: string;
  /** undefined: the whole file. */
  offset?: number | undefined;
  bytes: number;
  /** URL of the model that it belongs to, which bounds where its host may send on to; undefined: url. */
  base?: string | undefined;
}

/** Receives bytes at a position of the range. Positions follow each other, but start again at 0 if the host cannot resume. */
export type Take = (at: number, bytes: Uint8Array<ArrayBuffer>) => void;

/** A failure after which another attempt may succeed. */
class Interruption extends Error {
  readonly reason: Reason;
  readonly status: number | undefined;
  /** Milliseconds that the host asks to wait. */
  readonly wait: number;
  /** Whether what came counts as nothing, because it came too slowly. */
  readonly slow: boolean;

  constructor(name: ReasonName, values: Reason['values'] = {}, { status, wait = 0, slow = false }: { status?: number; wait?: number; slow?: boolean } = {}) {
    const reason = { name, values };
    super(sentenceOf(reason));
    this.reason = reason;
    this.status = status;
    this.wait = wait;
    this.slow = slow;
  }
}

/** The file is not the one that an earlier response began to bring. */
class Changed extends Interruption {}

/** Gives up an attempt that brings too little for too long. */
class Watch {
  private readonly stall: number;
  private readonly onGiveUp: () => void;
  private timer: ReturnType<typeof setTimeout>;
  private readonly answerWithin: number;
  private window = 0;
  private answered = false;

  constructor(stall: number, answerWithin: number, onGiveUp: () => void) {
    this.stall = stall;
    this.answerWithin = answerWithin;
    this.onGiveUp = onGiveUp;
    this.timer = setTimeout(onGiveUp, answerWithin);
  }

  /** The headers are there. */
  answer(): void {
    this.answered = true;
    this.restart();
  }

  count(bytes: number): void {
    this.window += bytes;
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  /** What was wrong when it gave up. */
  failure(): Interruption {
    if (!this.answered) {
      return new Interruption('no-answer', { seconds: this.answerWithin / 1000 });
    }
    const seconds = this.stall / 1000;
    return this.window === 0 ? new Interruption('no-byte', { seconds }) : new Interruption('too-slow', { rate: minRate, seconds }, { slow: true });
  }

  private restart(): void {
    clearTimeout(this.timer);
    this.window = 0;
    this.timer = setTimeout(() => (this.window * 1000 < minRate * this.stall ? this.onGiveUp() : this.restart()), this.stall);
  }
}

/**
 * Fetches the bytes of range from position from on. check sees the version of the file in each response, and throws what it does not
 * like. Rejects with RuntimeError 'download', or with the signal's reason.
 */
export async function download(
  range: Range, from: number, take: Take, signal: AbortSignal, policy: RetryPolicy = defaultRetryPolicy, check: (version: FileVersion) => void = () => {},
): Promise<void> {
  let at = from;
  let seen: FileVersion | undefined;
  const judgeVersion = (version: FileVersion) => {
    check(version);
    if (seen && differs(seen, version)) {
      throw new Changed('changed');
    }
    seen = version;
  };
  for (let failures = 0; at < range.bytes; ) {
    const before = at;
    try {
      await attempt(range, at, signal, policy.stall, judgeVersion, (position, bytes) => {
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
      if (error instanceof Changed) { // from the beginning, since bytes of two versions must not be mixed
        at = 0;
        seen = undefined;
      }
      failures = at > before && !error.slow ? 1 : failures + 1;
      if (failures >= policy.attempts) {
        throw failed(range.url, error.reason, error.status, { attempts: failures });
      }
      await wait(policy, failures, error, signal);
    }
  }
}

/** One request. */
async function attempt(
  range: Range, at: number, signal: AbortSignal, stall: number, judgeVersion: (version: FileVersion) => void, take: Take,
): Promise<void> {
  const { url, bytes } = range;
  const first = (range.offset ?? 0) + at;
  const partial = range.offset !== undefined || at > 0;
  const request = new WatchedRequest(url, range.base ?? url, signal, stall);
  try {
    const response = await request.open({
      // The bytes are stored already, so the HTTP cache should not store them a second time.
      cache: 'no-store',
      ...(partial && { headers: { Range: `bytes=${first}-${(range.offset ?? 0) + bytes - 1}` } }),
    });
    checkResponse(range, response, first, partial);
    judgeVersion(versionOf(response));
    let position = response.status === 206 ? at : 0;
    for await (const piece of request.pieces()) {
      if (position + piece.length > bytes) {
        throw failed(range.url, { name: 'too-long', values: { want: bytes } }, response.status);
      }
      take(position, piece);
      position += piece.length;
    }
    if (position < bytes) {
      throw new Interruption('ended-early', { got: position, want: bytes });
    }
  } finally {
    request.close();
  }
}

/** Bytes that are taken from a body at a time. */
const pieceBytes = 256 << 10;

/** A reader that reads into the same memory again, where there is one: pieces of their own would fill the tab's memory before they are collected. */
function readerOf(body: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | ReadableStreamBYOBReader {
  try {
    return body.getReader({ mode: 'byob' });
  } catch {
    return body.getReader(); // the body is none of bytes
  }
}

/** A request that is given up if it brings too little for too long, and whose redirects stay where the model at base may ask. */
class WatchedRequest {
  private readonly url: string;
  private readonly base: string;
  private readonly signal: AbortSignal;
  private readonly stop = new AbortController();
  private readonly watch: Watch;
  private readonly follow = () => this.stop.abort(this.signal.reason);
  private status: number | undefined;
  private body: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | ReadableStreamBYOBReader | undefined;

  constructor(url: string, base: string, signal: AbortSignal, stall: number, answerWithin = stall) {
    this.url = url;
    this.base = base;
    this.signal = signal;
    signal.addEventListener('abort', this.follow);
    this.watch = new Watch(stall, answerWithin, () => {
      this.stop.abort();
      this.body?.cancel().catch(() => {}); // in case the browser ignores the signal for the body
    });
  }

  async open(init: RequestInit): Promise<Response> {
    let response: Response;
    try {
      response = await fetchFile(this.url, { ...init, signal: this.stop.signal });
    } catch {
      // fetch does not say which of these it was: the network, DNS, a refused connection or CORS.
      throw this.stop.signal.aborted ? this.watch.failure() : new Interruption('unreachable');
    }
    checkRedirect(response, this.url, this.base);
    this.watch.answer();
    this.status = response.status;
    this.body = response.body ? readerOf(response.body) : undefined;
    return response;
  }

  /** The body in pieces, each of which is only valid until the next one. */
  async *pieces(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const { body } = this;
    if (!body) {
      throw new Interruption('empty');
    }
    let room = new Uint8Array(body instanceof ReadableStreamDefaultReader ? 0 : pieceBytes);
    for (;;) {
      let piece: ReadableStreamReadResult<Uint8Array<ArrayBuffer>>;
      try {
        piece = body instanceof ReadableStreamDefaultReader ? await body.read() : await body.read(room);
      } catch {
        throw this.stop.signal.aborted ? this.watch.failure() : new Interruption('broke');
      }
      if (piece.done) {
        if (this.stop.signal.aborted) { // cancelling a body may end it instead
          throw this.watch.failure();
        }
        return;
      }
      this.watch.count(piece.value.length);
      yield piece.value;
      room = new Uint8Array(piece.value.buffer);
    }
  }

  /** All of the body, of at most so many bytes. */
  async all(limit: number, tooMuch: ReasonName): Promise<Uint8Array<ArrayBuffer>> {
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    let bytes = 0;
    for await (const piece of this.pieces()) {
      bytes += piece.length;
      if (bytes > limit) {
        throw failed(this.url, { name: tooMuch, values: { want: limit } }, this.status);
      }
      pieces.push(piece.slice());
    }
    return new Uint8Array(await new Blob(pieces).arrayBuffer());
  }

  /** Closes the connection after an error. */
  close(): void {
    this.watch.stop();
    this.signal.removeEventListener('abort', this.follow);
    this.stop.abort();
  }
}

/** Refuses answers that do not bring the bytes asked for. */
function checkResponse(range: Range, response: Response, first: number, partial: boolean): void {
  const { status } = response;
  if (status === 416 || (status === 206 && !partial)) {
    throw failed(range.url, { name: 'not-as-told', values: { status } }, status);
  }
  if (status !== 200 && status !== 206) {
    throw refused(range.url, response);
  }
  if (status === 200 && range.offset !== undefined) {
    throw failed(range.url, { name: 'no-ranges', values: {} }, status, { hint: 'Pack the model into chunks with `gossamer pack`, or use a host that honours Range.' });
  }
  const begins = status === 206 ? /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1] : undefined;
  if (begins !== undefined && Number(begins) !== first) {
    throw failed(range.url, { name: 'other-range', values: { got: Number(begins), want: first } }, status);
  }
}

/** The error for a status other than 200 and 206: an Interruption if another attempt may succeed. */
function refused(url: string, response: Response): Interruption | RuntimeError {
  const { status } = response;
  const { retry, wait } = judge(status, response.headers.get('retry-after'));
  if (retry) {
    return new Interruption('answers', { status }, { status, wait });
  }
  if (wait > 0) {
    const values = { status, minutes: Math.ceil(wait / 60_000) };
    return failed(url, { name: 'answers-later', values }, status, { hint: 'Load the model again after that time; what arrived is kept.' });
  }
  return failed(url, { name: 'answers', values: { status } }, status);
}

/** Waits until the next attempt. A part of the time is drawn at random, so that several connections do not come back at the same moment. */
function wait(policy: RetryPolicy, failures: number, { wait, status }: Interruption, signal: AbortSignal): Promise<void> {
  const { least, most } = backoff(failures);
  const ms = Math.max(least + Math.random() * (most - least), wait);
  policy.onWait?.(ms, status);
  return policy.sleep(ms, signal);
}

function failed(url: string, reason: Reason, status?: number, { hint, attempts }: { hint?: string; attempts?: number } = {}): RuntimeError {
  const gone = status === 404 || status === 410;
  return new RuntimeError('download', sentenceOf({ ...reason, url }) + (attempts ? ` (${attempts} attempts)` : ''), {
    url,
    status,
    hint: hint ?? (gone ? 'Check the model\'s URL: this file is not there.' : undefined),
    reason: { ...reason, url },
  });
}

/** Fetches a small text, such as the manifest. */
export async function fetchText(url: string, signal: AbortSignal, policy: RetryPolicy = defaultRetryPolicy): Promise<string> {
  const { data, response } = await fetchSmall(url, { cache: 'no-cache' }, url, maxTextBytes, signal, policy);
  if (!response.ok) {
    throw refused(url, response);
  }
  return new TextDecoder().decode(data);
}

/**
 * Fetches what a URL answers, of at most so many bytes, for the model at base. Statuses that may pass are tried again; others are the
 * caller's to judge, without data.
 */
export async function fetchSmall(
  url: string, init: RequestInit, base: string, limit: number, signal: AbortSignal, policy: RetryPolicy = defaultRetryPolicy, tooMuch: ReasonName = 'other-file',
): Promise<{ response: Response; data: Uint8Array<ArrayBuffer> }> {
  for (let failures = 1; ; failures++) {
    const request = new WatchedRequest(url, base, signal, policy.stall, Math.min(policy.stall, openTimeout));
    let interruption: Interruption;
    try {
      const response = await request.open(init);
      const refusal = response.ok ? undefined : refused(url, response);
      if (refusal instanceof Interruption) {
        throw refusal;
      }
      return { response, data: response.ok && init.method !== 'HEAD' ? await request.all(limit, tooMuch) : new Uint8Array() };
    } catch (error) {
      if (signal.aborted) {
        throw abortError(signal);
      }
      if (!(error instanceof Interruption)) {
        throw error;
      }
      if (failures >= openFailures) {
        throw failed(url, error.reason); // without a status: an earlier visit's copy will do
      }
      interruption = error;
    } finally {
      request.close();
    }
    await wait(policy, failures, interruption, signal);
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
