// The service worker: with it the app works without a network after the first visit.

import { h } from './dom.ts';
import { t } from './language.ts';
import { region } from './toast.ts';

/** Installs the service worker, and offers the new version of the app when there is one. */
export class Offline {
  private started = false;

  start(): void {
    if (!this.started) {
      this.started = true;
      void install();
    }
  }
}

async function install(): Promise<void> {
  if (!('serviceWorker' in navigator)) {
    return;
  }
  try {
    const registration = await navigator.serviceWorker.register(new URL('service-worker.js', document.baseURI), { type: 'module', updateViaCache: 'none' });
    registration.addEventListener('updatefound', () => {
      const worker = registration.installing;
      worker?.addEventListener('statechange', () => {
        if (worker.state === 'installed' && navigator.serviceWorker.controller) {
          offer(worker);
        }
      });
    });
    if (registration.waiting && navigator.serviceWorker.controller) {
      offer(registration.waiting);
    }
  } catch {
    // Some windows have none; the app works, with a network.
  }
}

/** Lets the visitor choose when the new version takes over, since the page is loaded again then. */
function offer(worker: ServiceWorker): void {
  const box = h('div', { class: 'toast' }, t('newVersion'), ' ', h('button', { type: 'button', class: 'link', onclick: () => {
    navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true });
    worker.postMessage({ kind: 'activate' });
  } }, t('loadVersion')));
  region().append(box);
}
