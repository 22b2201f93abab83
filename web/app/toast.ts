// Sentences that are shown for a while, beside the conversation and over dialogs.

import { byId, h } from './dom.ts';
import { t } from './language.ts';
import type { Said } from './words.ts';

/** Milliseconds that a sentence is shown, and one that says what failed or offers something. */
const brief = 4_000, long = 10_000;

export interface ToastOptions {
  /** Takes back what the sentence tells of. */
  undo?: () => void;
  error?: boolean;
}

/** Shows a sentence for a while, longer where somebody is about to press its button, and says it to screen readers. */
export function toast(words: Said, { undo, error = false }: ToastOptions = {}): void {
  const box = h('div', { class: error ? 'toast error' : 'toast' }, h('span', {}, words));
  const close = () => box.remove();
  if (undo) {
    box.append(h('button', { type: 'button', class: 'link', onclick: () => (undo(), close()) }, t('undo')));
  }
  region().append(box);
  const end = () => {
    if (box.matches(':hover, :focus-within')) {
      setTimeout(end, 1_000);
    } else {
      close();
    }
  };
  setTimeout(end, undo || error ? long : brief);
}

/** Where sentences are. What is outside of an open dialog cannot be used or heard, so that they are in it while it is open. */
export function region(): HTMLElement {
  const toasts = byId('toasts');
  const dialog = [...document.querySelectorAll<HTMLDialogElement>('dialog:modal')].at(-1);
  const place = dialog ?? document.body;
  if (toasts.parentElement !== place) {
    place.append(toasts);
    dialog?.addEventListener('close', () => document.body.append(toasts), { once: true });
  }
  return toasts;
}
