// For a site's service worker: pages of its scope reach OpenAI's API at v1/ below the scope, answered by the engine of a tab that
// has opened a model with share: true. In a service worker that is not bundled: importScripts('.../gossamer/dist/service.js').

import { Answerer } from './page/answer.ts';

/** What the library's declarations have only for service workers. */
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
  const answerer = new Answerer(scope, scope);
  globalThis.addEventListener('fetch', (e) => {
    const event = e as FetchEvent;
    const url = new URL(event.request.url);
    const api = new URL('v1/', scope);
    if (url.origin === api.origin && url.pathname.startsWith(api.pathname)) {
      event.stopImmediatePropagation();
      event.respondWith(answerer.answer(event.request, url.pathname.slice(api.pathname.length)));
    }
  });
  // The engine's tab sends these while a reply is on its way (client.ts). Being an event is enough.
  globalThis.addEventListener('message', () => {});
}
