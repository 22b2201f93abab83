// Models in the user's own files. They are read like those of a host, at URLs such as local:/1f2e3d4c/gpt-oss-20b/manifest.json.

import { hashText } from './storage.ts';

/** A model's files by their paths, such as those of an <input type="file" webkitdirectory>. */
export type LocalFiles = ReadonlyMap<string, Blob>;

/** Files by URL. */
const known = new Map<string, Blob>();

/** Makes files readable by fetchFile and returns the URL of their model. The same files get the same URL. */
export async function addFiles(files: LocalFiles): Promise<string> {
  const list = [...files].sort(([a], [b]) => (a < b ? -1 : 1));
  const about = list.map(([path, file]) => `${path} ${file.size} ${(file as File).lastModified ?? 0}`);
  const base = `local:/${(await hashText(about.join('\n'))).slice(0, 8)}/`;
  for (const [path, file] of list) {
    known.set(urlOf(path, base), file);
  }
  return urlOf(`${folder([...files.keys()])}manifest.json`, base);
}

/** The uppermost folder with a model: "", or a path with a slash at its end. */
function folder(paths: string[]): string {
  const depth = (path: string) => path.split('/').length;
  const found = paths.filter((p) => /(^|\/)(manifest|config)\.json$/.test(p)).sort((a, b) => depth(a) - depth(b))[0];
  return (found ?? paths[0] ?? '').replace(/[^/]*$/, '') || 'files/';
}

function urlOf(path: string, base: string): string {
  const encoded = path.split('/').map(encodeURIComponent).join('/');
  return new URL(encoded.includes('/') ? encoded : `files/${encoded}`, base).href;
}

/** Headers of requests, by the origin that they are for. */
const logins = new Map<string, Record<string, string>>();

/** Takes a request as fetch does. */
export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

/** What answers in the browser's place, by the origin of the model; '' for all. */
const fetchers = new Map<string, Fetch>();

/** Has requests to the origin of a model at url answered by another function than the browser's; with '' all requests. */
export function setFetch(url: string, fetcher: Fetch | undefined): void {
  const origin = url && new URL(url).origin;
  if (fetcher) {
    fetchers.set(origin, fetcher);
  } else {
    fetchers.delete(origin);
  }
}

/** Sends headers with each request to the origin of a model at url, and to no other. */
export function addHeaders(url: string, headers: Record<string, string> = {}): void {
  logins.set(new URL(url).origin, headers);
}

/** Like fetch, but local: URLs are read from the files given to addFiles. Files of an earlier visit fail like an unreachable host. */
export async function fetchFile(url: string, init: RequestInit = {}): Promise<Response> {
  if (!url.startsWith('local:')) {
    const { origin } = new URL(url);
    const login = logins.get(origin);
    const fetcher = fetchers.get('') ?? fetchers.get(origin) ?? fetch;
    return fetcher(url, login ? { ...init, headers: { ...login, ...Object.fromEntries(new Headers(init.headers)) } } : init);
  }
  init.signal?.throwIfAborted();
  const file = known.get(url);
  if (!file) {
    const folderIsOpen = [...known.keys()].some((other) => other.split('/')[1] === url.split('/')[1]);
    if (!folderIsOpen) {
      throw new TypeError('the folder is not open');
    }
    return new Response(null, { status: 404 });
  }
  const range = /^bytes=(\d+)-(\d+)$/.exec(new Headers(init.headers).get('range') ?? '');
  const first = range ? Number(range[1]) : 0;
  const last = range ? Math.min(Number(range[2]), file.size - 1) : file.size - 1;
  if (first > last && range) {
    return new Response(null, { status: 416 });
  }
  const headers = { 'content-length': String(last - first + 1), ...(range && { 'content-range': `bytes ${first}-${last}/${file.size}` }) };
  const body = init.method === 'HEAD' ? null : file.slice(first, last + 1);
  return new Response(body, { status: range ? 206 : 200, headers });
}
