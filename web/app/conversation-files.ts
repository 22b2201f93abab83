// Conversations to and from the visitor's files.

import type { Conversation } from './conversation.ts';
import { pickFiles, saveFile } from './dom.ts';
import { t } from './language.ts';
import type { AppState } from './state.ts';
import { toast } from './toast.ts';

/** Reads and writes the files; loaded when there is one. */
const transfer = () => import('./transfer.ts');
/** Characters above which browsers have no strings. */
const longestFile = 400e6;

const fileName = (c: Conversation) => (c.title || 'conversation').replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-|-$/g, '').slice(0, 50).toLowerCase() || 'conversation';

export async function exportMarkdown(c: Conversation): Promise<void> {
  saveFile(`${fileName(c)}.md`, 'text/markdown', (await transfer()).toMarkdown(c));
}

export async function exportJSON(c: Conversation): Promise<void> {
  saveFile(`${fileName(c)}.json`, 'application/json', (await transfer()).toJSON([c]));
}

export async function exportAll(conversations: Conversation[]): Promise<void> {
  saveFile('conversations.json', 'application/json', (await transfer()).toJSON(conversations));
}

/** Asks for files and reads their conversations. */
export async function importFiles(state: AppState): Promise<Conversation[]> {
  const imported: Conversation[] = [];
  for (const file of await pickFiles({ accept: '.json,.md,.markdown,application/json,text/markdown', multiple: true })) {
    try {
      if (file.size > longestFile) {
        throw new Error(String(t('importTooLarge')));
      }
      const conversations = (await transfer()).read(await file.text());
      await state.add(conversations);
      imported.push(...conversations);
    } catch (error) {
      toast(`${file.name}: ${(error as Error).message}`, { error: true });
    }
  }
  return imported;
}
