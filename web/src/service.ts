// For a site's service worker: pages of its scope reach OpenAI's API at v1/ below the scope, answered by the engine of a tab that
// has opened a model with share: true. In a service worker that is not bundled: importScripts('.../gossamer/dist/service.js').

import { HTTPAPI } from './page/http-api.ts';

/** The part of the type FetchEvent that is used: TypeScript declares it only for service workers. */
interface FetchEvent extends Event {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

/**
 * Answers requests for v1/chat/completions and v1/models below the scope. Call it once, while the service worker's script runs, and
 * before other listeners for fetch are added: they do not see these requests.
 */
export function serve(): void {
  const { scope } = (globalThis as unknown as { registration: { scope: string } }).registration;
  const api = new HTTPAPI(scope, scope);
  globalThis.addEventListener('fetch', (e) => {
    const event = e as FetchEvent;
    const url = new URL(event.request.url);
    const root = new URL('v1/', scope);
    if (url.origin === root.origin && url.pathname.startsWith(root.pathname)) {
      event.stopImmediatePropagation();
      event.respondWith(api.answer(event.request, url.pathname.slice(root.pathname.length)));
    }
  });
  // The engine's tab sends these during a reply (client.ts). Any event keeps the browser from stopping the service worker.
  globalThis.addEventListener('message', () => {});
}
