// Conversations to and from the visitor's files.

import type { Conversation } from './conversation.ts';
import { pickFiles, saveFile, toast } from './dom.ts';
import type { AppState } from './state.ts';
import { read, toJSON, toMarkdown } from './transfer.ts';

const fileName = (c: Conversation) => (c.title || 'conversation').replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-|-$/g, '').slice(0, 50).toLowerCase() || 'conversation';

export function exportMarkdown(c: Conversation): void {
  saveFile(`${fileName(c)}.md`, 'text/markdown', toMarkdown(c));
}

export function exportJSON(c: Conversation): void {
  saveFile(`${fileName(c)}.json`, 'application/json', toJSON([c]));
}

export function exportAll(conversations: Conversation[]): void {
  saveFile('conversations.json', 'application/json', toJSON(conversations));
}

/** Asks for files and reads their conversations. Resolves to the last one; undefined: there is none. */
export async function importFiles(state: AppState): Promise<Conversation | undefined> {
  let last: Conversation | undefined;
  for (const file of await pickFiles({ accept: '.json,.md,.markdown,application/json,text/markdown', multiple: true })) {
    try {
      const conversations = read(await file.text());
      await state.add(conversations);
      last = conversations.at(-1) ?? last;
    } catch (error) {
      toast(`${file.name}: ${(error as Error).message}`, { error: true });
    }
  }
  return last;
}
