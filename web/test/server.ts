// A static file server with faults, and a directory as the store of chunks.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, readSync } from 'node:fs';
import { mkdir, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { StoredFile } from '../src/shared/engine.ts';
import type { Record, Storage } from '../src/shared/storage.ts';

/** What goes wrong with one request. */
export interface Fault {
  /** Answer with this status, and the header Retry-After. */
  status?: number;
  retryAfter?: string;
  /** Break the connection after so many bytes of the body. */
  cut?: number;
  /** Send so many bytes, then nothing. */
  stall?: number;
  /** Flip a bit of the body. */
  corrupt?: boolean;
  /** Answer only then. */
  wait?: Promise<void>;
  /** Ignore the header Range. */
  noRange?: boolean;
  /** Send a byte each so many milliseconds. */
  trickle?: number;
  /** Send on to this URL. */
  redirect?: string;
  headers?: { [name: string]: string };
}

export interface Request {
  path: string;
  range: string | undefined;
  headers: IncomingHttpHeaders;
  /** Bytes of the body. */
  sent: number;
}

export interface Server {
  /** Ends with a slash. */
  url: string;
  port: number;
  requests: Request[];
  /** Most requests that were being answered at a time. */
  busiest: number;
  /** Sends what can be compressed so, and 304 without a body where the browser has the file already, as hosts do. */
  isHost: boolean;
  /** Decides what goes wrong; nothing by default. */
  fault: (path: string, index: number) => Fault | undefined;
  close(): Promise<void>;
}

const types: { [extension: string]: string } = {
  '.html': 'text/html', '.js': 'text/javascript', '.json': 'application/json', '.wasm': 'application/wasm', '.css': 'text/css', '.svg': 'image/svg+xml',
};

/** Serves files: from a directory for each prefix of the path, or from memory. */
export async function serve(files: { [prefix: string]: string | Uint8Array }): Promise<Server> {
  let busy = 0;
  const server: Server = { url: '', port: 0, requests: [], busiest: 0, isHost: false, fault: () => undefined, close: async () => {} };
  const http = createServer((request, response) => {
    server.busiest = Math.max(server.busiest, ++busy);
    response.on('close', () => busy--);
    answer(server, files, request, response).catch((error) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  server.port = (http.address() as AddressInfo).port;
  server.url = `http://127.0.0.1:${server.port}/`;
  server.close = () =>
    new Promise((resolve) => {
      http.close(() => resolve());
      http.closeAllConnections();
    });
  return server;
}

async function answer(server: Server, files: { [prefix: string]: string | Uint8Array }, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = normalize(decodeURIComponent(new URL(request.url!, 'http://x').pathname)).replace(/\/$/, '/index.html');
  const range = request.headers.range;
  const entry: Request = { path, range, headers: request.headers, sent: 0 };
  server.requests.push(entry);
  const fault = server.fault(path, server.requests.length - 1) ?? {};
  const headers: { [name: string]: string } = {
    'access-control-allow-origin': '*',
    'access-control-allow-headers': 'range',
    'content-type': types[extname(path)] ?? 'application/octet-stream',
    'cache-control': 'no-cache',
  };
  await fault.wait;
  if (request.method === 'OPTIONS') {
    response.writeHead(204, headers).end();
    return;
  }
  Object.assign(headers, fault.headers);
  if (fault.redirect) {
    response.writeHead(302, { ...headers, location: fault.redirect }).end();
    return;
  }
  if (fault.status) {
    response.writeHead(fault.status, fault.retryAfter ? { ...headers, 'retry-after': fault.retryAfter } : headers).end();
    return;
  }
  const file = await find(files, path);
  if (!file) {
    response.writeHead(404, headers).end();
    return;
  }
  if (server.isHost) {
    headers['etag'] = `"${file.version}"`;
    if (request.headers['if-none-match'] === headers['etag']) {
      response.writeHead(304, headers).end();
      return;
    }
    if (types[extname(path)]) {
      const body = await compressed(file);
      entry.sent = body.length;
      response.writeHead(200, { ...headers, 'content-encoding': 'gzip', 'content-length': String(body.length) }).end(body);
      return;
    }
  }
  const match = fault.noRange ? null : /^bytes=(\d+)-(\d*)$/.exec(range ?? '');
  const first = match ? Number(match[1]) : 0;
  const last = match?.[2] ? Math.min(Number(match[2]), file.bytes - 1) : file.bytes - 1;
  if (first > last) {
    response.writeHead(416, headers).end();
    return;
  }
  headers['content-length'] = String(last - first + 1);
  if (match) {
    headers['content-range'] = `bytes ${first}-${last}/${file.bytes}`;
  }
  response.writeHead(match ? 206 : 200, headers);
  for await (let piece of file.read(first, last)) {
    for (let i = 0; fault.trickle && i < piece.length && !response.destroyed; i++) {
      response.write(piece.subarray(i, i + 1));
      await new Promise((resolve) => setTimeout(resolve, fault.trickle));
    }
    if (fault.corrupt && entry.sent === 0) {
      piece = Buffer.from(piece);
      piece[0]! ^= 1;
    }
    const end = Math.min(fault.cut ?? Infinity, fault.stall ?? Infinity);
    if (entry.sent + piece.length >= end) {
      const rest = piece.subarray(0, end - entry.sent);
      entry.sent += rest.length;
      response.write(rest, () => fault.cut !== undefined && response.destroy());
      return;
    }
    entry.sent += piece.length;
    if (!response.write(piece) && !response.destroyed) {
      const either = new AbortController();
      const { signal } = either;
      await Promise.race([once(response, 'drain', { signal }), once(response, 'close', { signal })]);
      either.abort();
    }
  }
  response.end();
}

/** A file as it is sent compressed. */
async function compressed(file: NonNullable<Awaited<ReturnType<typeof find>>>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of file.read(0, file.bytes - 1)) {
    pieces.push(Uint8Array.from(piece));
  }
  return promisify(gzip)(Buffer.concat(pieces));
}

async function find(files: { [prefix: string]: string | Uint8Array }, path: string) {
  for (const [prefix, source] of Object.entries(files)) {
    if (typeof source !== 'string') {
      if (path === prefix) {
        return {
          bytes: source.length, version: createHash('sha256').update(source).digest('hex'),
          async *read(first: number, last: number): AsyncGenerator<Uint8Array> {
            for (let at = first; at <= last; at += 16384) {
              yield source.subarray(at, Math.min(at + 16384, last + 1));
            }
          },
        };
      }
    } else if (path.startsWith(prefix)) {
      const name = join(source, path.slice(prefix.length));
      const info = await stat(name).catch(() => undefined);
      if (info?.isFile()) {
        return {
          bytes: info.size, version: `${info.size}-${info.mtimeMs}`,
          read: (start: number, end: number): AsyncIterable<Uint8Array> => createReadStream(name, { start, end }),
        };
      }
    }
  }
  return undefined;
}

/** A directory that keeps chunks, with room for so many bytes. */
export class Directory implements Storage {
  readonly path: string;
  private room: number;

  constructor(path: string, room = Infinity) {
    this.path = path;
    this.room = room;
  }

  async record(key: string): Promise<Record | undefined> {
    return readFile(join(this.path, `${key}.json`), 'utf8').then(JSON.parse, () => undefined);
  }

  async read(key: string): Promise<Uint8Array<ArrayBuffer>> {
    return readFile(join(this.path, key)).then((b) => new Uint8Array(b), () => new Uint8Array());
  }

  async open(key: string, keep: number) {
    await mkdir(this.path, { recursive: true });
    const name = join(this.path, key);
    await writeFile(name, '', { flag: 'a' });
    await truncate(name, keep);
    const { writeSync, closeSync, openSync } = await import('node:fs');
    const file = openSync(name, 'r+');
    return {
      write: (bytes: Uint8Array<ArrayBuffer>, at: number) => {
        if ((this.room -= bytes.length) < 0) {
          throw new DOMException('full', 'QuotaExceededError');
        }
        writeSync(file, bytes, 0, bytes.length, at);
      },
      close: () => closeSync(file),
    };
  }

  async commit(key: string, record: Record): Promise<void> {
    await writeFile(join(this.path, `${key}.json`), JSON.stringify(record));
  }

  async remove(key: string): Promise<void> {
    await rm(join(this.path, `${key}.json`), { force: true });
    await rm(join(this.path, key), { force: true });
  }

  /** Flips a bit of a chunk that is there. */
  async damage(key: string): Promise<void> {
    const file = await open(join(this.path, key), 'r+');
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, 0);
    buffer[0]! ^= 1;
    await file.write(buffer, 0, 1, 0);
    await file.close();
  }
}

/** A directory whose files are opened for reading, as in browsers that have synchronous handles. */
export class FileDirectory extends Directory {
  /** Files that are open. */
  opened = 0;

  async openFile(key: string): Promise<StoredFile | undefined> {
    const file = await open(join(this.path, key), 'r').catch(() => undefined);
    if (!file) {
      return undefined;
    }
    this.opened++;
    const { size } = await file.stat();
    const read = (to: Uint8Array<ArrayBuffer>, from: number) => assert.equal(readSync(file.fd, to, 0, to.length, from), to.length);
    return {
      length: size,
      read,
      bytes: async () => {
        const whole = new Uint8Array(size);
        read(whole, 0);
        return whole;
      },
      close: () => {
        this.opened--;
        void file.close();
      },
    };
  }
}
