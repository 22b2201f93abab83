// The examples of docs/clients.md, which tests run as they are but for the server's address.

import { readFile } from 'node:fs/promises';

/** The document. */
export const document = new URL('../../docs/clients.md', import.meta.url);

/** The first block of code behind a heading of docs/clients.md. */
export async function snippet(title) {
  const [, section] = (await readFile(document, 'utf8')).split(new RegExp(`^#+ ${title.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`, 'm'));
  const block = section?.match(/^```\w*\n([\s\S]*?)^```$/m);
  if (!block) throw new Error(`docs/clients.md has no code behind the heading "${title}"`);
  return block[1];
}
