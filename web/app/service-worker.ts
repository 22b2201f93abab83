// The service worker. It keeps the files that the app consists of, so that the app works without a network after the first visit;
// weights are kept by the library (web/src/shared/storage.ts).
//
// The texts of a language are kept when the page says that it speaks it, and by later versions too.
//
// One version of the app is one cache: a page never gets files of two versions. A new version waits until no page uses the old one,
// or until the visitor asks for it.
//
// It also answers OpenAI's API at v1/ for all pages below it, from the model that a tab has open.

import { serve } from '../src/service.ts';

serve();

// Defined by build.mjs: a hash of all files, their names, those of the texts by their languages, and what the page appends to the URLs of
// the package's.
declare const APP_BUILD: string;
declare const APP_FILES: string[];
declare const APP_TEXTS: Record<string, string>;
declare const PACKAGE_BUILD: string;

interface ExtendableEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchEvent extends ExtendableEvent {
  readonly request: Request;
  readonly clientId: string;
  respondWith(response: Promise<Response> | Response): void;
}
interface ServiceWorkerScope {
  readonly registration: { readonly scope: string };
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: 'install' | 'activate', listener: (event: ExtendableEvent) => void): void;
  addEventListener(type: 'fetch', listener: (event: FetchEvent) => void): void;
  addEventListener(type: 'message', listener: (event: MessageEvent & ExtendableEvent) => void): void;
}
const worker = globalThis as unknown as ServiceWorkerScope;

const prefix = 'gossamer-app-';
const cacheName = prefix + APP_BUILD;
const urlOf = (name: string) => new URL(name, worker.registration.scope).href;
const files = new Set([...APP_FILES, ...Object.values(APP_TEXTS)].map(urlOf));

worker.addEventListener('install', (event) => {
  event.waitUntil((async () => {
    const cache = await caches.open(cacheName);
    // Names with a hash are taken from the browser's cache if they are there: the page has just fetched them. The others are
    // compared with the host.
    await Promise.all([...APP_FILES, ...await keptTexts()].map(urlOf).map(async (url) => {
      const large = /\/(gossamer\.wasm|worker\.js|o200k\.bin\.gz)$/.test(url);
      const hashed = large || /-[A-Z0-9]{8}\.\w+$/.test(url);
      const response = await fetch(large ? `${url}?v=${PACKAGE_BUILD}` : url, { cache: hashed ? 'default' : 'no-cache' });
      if (!response.ok) {
        throw new Error(`${url}: the host answers ${response.status}`);
      }
      await cache.put(url, response);
    }));
  })());
});

worker.addEventListener('activate', (event) => {
  event.waitUntil((async () => {
    const old = (await caches.keys()).filter((name) => name.startsWith(prefix) && name !== cacheName);
    await Promise.all(old.map((name) => caches.delete(name)));
    await worker.clients.claim();
  })());
});

worker.addEventListener('message', (event) => {
  const { kind, language } = (event.data ?? {}) as { kind?: unknown; language?: string };
  if (kind === 'activate') {
    void worker.skipWaiting();
  } else if (kind === 'language') {
    event.waitUntil(keepTexts(language!));
  }
});

/** Keeps the texts of a language, unless they are there or came with the page. */
async function keepTexts(language: string): Promise<void> {
  const name = APP_TEXTS[language];
  const cache = await caches.open(cacheName);
  if (name && !(await cache.match(urlOf(name)))) {
    await cache.add(urlOf(name)).catch(() => {}); // with the next visit then
  }
}

/** The texts of the languages whose texts another version keeps. */
async function keptTexts(): Promise<string[]> {
  const names = (await caches.keys()).filter((name) => name.startsWith(prefix));
  const kept = (await Promise.all(names.map(async (name) => (await caches.open(name)).keys()))).flat().map(({ url }) => url.split('/').at(-1)!);
  return Object.entries(APP_TEXTS).filter(([language]) => kept.some((file) => file.startsWith(`${language}-`))).map(([, name]) => name);
}

worker.addEventListener('fetch', (event) => {
  const file = appFile(event.request);
  if (file) {
    event.respondWith(fromCache(file, event.request));
  }
});

/** The URL of the app's file that a request is for; undefined: it is for something else, which the network answers. */
function appFile(request: Request): string | undefined {
  if (request.method !== 'GET' || request.headers.has('range')) {
    return undefined;
  }
  const url = new URL(request.url);
  url.search = url.hash = '';
  if (url.href === worker.registration.scope) {
    url.pathname += 'index.html';
  }
  return files.has(url.href) ? url.href : undefined;
}

async function fromCache(file: string, request: Request): Promise<Response> {
  const kept = await caches.match(file, { cacheName });
  return kept ?? fetch(request);
}
