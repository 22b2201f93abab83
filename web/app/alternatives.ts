// The alternatives to a message: edited questions, and answers that were made again.

import { siblings, type Conversation, type Message } from './conversation.ts';
import { h, iconButton } from './dom.ts';
import { t } from './language.ts';
import type { Actions } from './message-view.ts';

/** Buttons that go through the alternatives to a message. */
export function alternatives(message: Message, c: Conversation, actions: Actions): HTMLElement | undefined {
  const all = siblings(c, message);
  if (all.length < 2) {
    return undefined;
  }
  const at = all.findIndex((m) => m.id === message.id);
  const go = (step: number) => actions.show(all[at + step]!);
  const isQuestion = message.role === 'user';
  const place = { at: at + 1, all: all.length };
  return h('span', { class: 'alternatives' },
    iconButton('left', t(isQuestion ? 'previousVersion' : 'previousAnswer'), () => go(-1), { disabled: at === 0 }),
    h('span', { 'aria-label': t(isQuestion ? 'versionOf' : 'answerOf', place), role: 'img', dir: 'ltr' }, `${at + 1}/${all.length}`),
    iconButton('right', t(isQuestion ? 'nextVersion' : 'nextAnswer'), () => go(1), { disabled: at === all.length - 1 }));
}
