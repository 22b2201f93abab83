// Copying to the clipboard, also on pages that are not secure.

import { announce, h, icon } from './dom.ts';
import { t } from './language.ts';
import { toast } from './toast.ts';

async function writeClipboard(text: string): Promise<void> {
  if (navigator.clipboard) {
    return navigator.clipboard.writeText(text);
  }
  // Pages that are not secure have only the older way, which copies what is selected. A dialog keeps what is outside it from that.
  const focused = document.activeElement as HTMLElement | null;
  const box = h('textarea', { class: 'sr-only', 'aria-hidden': 'true', value: text });
  (document.querySelector('dialog[open]') ?? document.body).append(box);
  box.select();
  const done = document.execCommand('copy');
  box.remove();
  focused?.focus();
  if (!done) {
    throw new Error('nothing was copied');
  }
}

/** Copies text and shows on the button that it is done. */
export async function copyText(text: string, button: HTMLButtonElement): Promise<void> {
  try {
    await writeClipboard(text);
  } catch {
    toast(t('noClipboard'), { error: true });
    return;
  }
  const before = button.firstElementChild!;
  before.replaceWith(icon('check'));
  announce(t('copied'));
  setTimeout(() => button.firstElementChild?.replaceWith(before), 1500);
}
