// What the views of messages have in common.

import type { Conversation, Message } from './conversation.ts';
import type { Said } from './words.ts';

/** What visitors do with messages. */
export interface Actions {
  edit(message: Message, text: string): void;
  again(message: Message): void;
  /** Goes on with a reply that was cut off. */
  goOn(message: Message): void;
  /** Answers the last message, which has no reply. */
  reply(): void;
  show(message: Message): void;
  answer(callID: string, text: string): void;
  /** Whether a reply is being written, here or in another window. */
  isRunning(): boolean;
  /** What a reply that has not begun waits for. done: the part of it that is done, about. */
  waitingFor(): { text: Said; done?: number | undefined };
}

/** What draws texts. It is loaded when it is needed first, after the page is drawn. */
export type Renderer = typeof import('./markdown.ts');

export interface View {
  readonly element: HTMLElement;
  update(message: Message, c: Conversation, path: Message[]): void;
}
