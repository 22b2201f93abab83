// The alternatives to a message: edited questions, and answers that were made again.

import { siblings, type Conversation, type Message } from './conversation.ts';
import { h, iconButton } from './dom.ts';
import type { Actions } from './message-view.ts';

/** Buttons that go through the alternatives to a message. */
export function alternatives(message: Message, c: Conversation, actions: Actions): HTMLElement | undefined {
  const all = siblings(c, message);
  if (all.length < 2) {
    return undefined;
  }
  const at = all.findIndex((m) => m.id === message.id);
  const go = (step: number) => actions.show(all[at + step]!);
  const what = message.role === 'user' ? 'version' : 'answer';
  return h('span', { class: 'alternatives' },
    iconButton('left', `Previous ${what}`, () => go(-1), { disabled: at === 0 }),
    h('span', { 'aria-label': `${what} ${at + 1} of ${all.length}`, role: 'img' }, `${at + 1}/${all.length}`),
    iconButton('right', `Next ${what}`, () => go(1), { disabled: at === all.length - 1 }));
}
