// What is worth knowing of the open model.

import type { Notice } from '../src/index.ts';
import { byId } from './dom.ts';
import { t } from './language.ts';
import { toast } from './toast.ts';
import { put } from './words.ts';

/** Says what is to be known of the open model: below the message box, or for a while. */
export function showNotice({ kind }: Notice): void {
  if (kind === 'software-adapter') {
    put(byId('hint'), 'text', t('notice-software-adapter'));
  } else if (kind !== 'not-verified' && kind !== 'recovering') { // the model's button says the one, its card the other
    toast(t(`notice-${kind}`));
  }
}
