// English whose words are written from right to left, letter by letter: what a page looks like that is written so, without knowing such a
// language. As other programs do it in their tests (ICU's ar-XB).

import type { Entry, Key, Table } from './types.ts';

const turned = (text: string) => text.replace(/\{\w+\}|[^\s{}]+/g, (word) => (word.startsWith('{') ? word : `\u200f\u202e${word}\u202c\u200f`));

/** A table with every word turned. */
export function mirror(table: Table): Table {
  const entry = (e: Entry): Entry => (typeof e === 'string' ? turned(e) : (Object.fromEntries(Object.entries(e).map(([form, text]) => [form, turned(text)])) as Entry));
  return Object.fromEntries(Object.entries(table).map(([key, e]) => [key, entry(e)])) as Record<Key, Entry>;
}
