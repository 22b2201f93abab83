// Finding conversations: by what was said in them, and by when.

import { branch, textOf, type Conversation, type Message } from './conversation.ts';
import { date, t } from './language.ts';
import type { Words } from './words.ts';

/** Where a conversation has what was looked for. */
export interface Hit {
  conversation: Conversation;
  /** The message that has it; undefined: the title. */
  message?: Message;
  /** What is around it, and where in that it is. */
  excerpt: string;
  start: number;
  end: number;
}

/** Characters around what was found. */
const before = 24, after = 60;

/**
 * Conversations that have all words of a query, in any case and without regard to accents, in their titles or messages, in the order given.
 * The excerpt is of the newest message that has the first word, those of the shown branch first.
 */
export function search(conversations: Conversation[], query: string): Hit[] {
  const words = fold(query).text.split(/\s+/).filter(Boolean);
  return words.length === 0 ? [] : conversations.flatMap((c) => hitOf(c, words) ?? []);
}

function hitOf(c: Conversation, words: string[]): Hit | undefined {
  const texts = textsOf(c);
  if (!words.every((w) => texts.some(({ folded }) => folded.text.includes(w)))) {
    return undefined;
  }
  const first = words[0]!;
  const found = texts.find(({ folded }) => folded.text.includes(first))!;
  const at = found.folded.text.indexOf(first);
  const { text, folded: { from } } = found;
  const [start, end] = [at, at + first.length].map((i) => (from ? from[i] ?? text.length : i)) as [number, number];
  const begin = start <= before ? 0 : start - before;
  const lead = begin > 0 ? '…' : '';
  const excerpt = lead + text.slice(begin, end + after) + (end + after < text.length ? '…' : '');
  const shift = lead.length - begin;
  const hit = { conversation: c, excerpt: excerpt.replace(/\s/g, ' '), start: start + shift, end: end + shift };
  return found.message ? { ...hit, message: found.message } : hit;
}

interface Folded {
  text: string;
  /** For each character of text, which of the original it comes from; undefined: the same one. */
  from?: number[];
}

interface Searchable {
  message?: Message;
  text: string;
  folded: Folded;
}

/** What was folded before, by message: only what has changed since is folded again. */
const known = new WeakMap<Message, Searchable>();

function textsOf(c: Conversation): Searchable[] {
  const shown = new Set(branch(c));
  const order = [...c.messages].reverse().sort((a, b) => Number(shown.has(b)) - Number(shown.has(a)));
  return [{ text: c.title, folded: fold(c.title) }, ...order.filter((m) => m.role !== 'tool').map((message) => {
    const text = textOf(message);
    let searchable = known.get(message);
    if (searchable?.text !== text) {
      searchable = { message, text, folded: fold(text) };
      known.set(message, searchable);
    }
    return searchable;
  })];
}

/** Text without case and accents. */
function fold(text: string): Folded {
  if (/^[\x00-\x7f]*$/.test(text)) {
    return { text: text.toLowerCase() };
  }
  let folded = '';
  const from: number[] = [];
  let at = 0;
  for (const character of text) {
    const plain = character.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
    folded += plain;
    for (let i = 0; i < plain.length; i++) {
      from.push(at);
    }
    at += character.length;
  }
  return { text: folded, from };
}

/** Conversations of one time. */
export interface Period {
  id: string;
  /** Such as "Yesterday". */
  name: Words;
  conversations: Conversation[];
}

/** Divides conversations, the one used last first, by when they were used. Pinned ones are a period of their own, the first one. */
export function periods(conversations: Conversation[], now = new Date()): Period[] {
  const midnight = (daysAgo: number) => new Date(now.getFullYear(), now.getMonth(), now.getDate() - daysAgo).getTime();
  const recent = ([[0, 'today'], [1, 'yesterday'], [7, 'previous7Days'], [30, 'previous30Days']] as const).map(([days, key]) => ({ since: midnight(days), key }));
  const byID = new Map<string, Period>();
  const put = (id: string, name: () => Words, c: Conversation) => {
    const period = byID.get(id);
    period ? period.conversations.push(c) : byID.set(id, { id, name: name(), conversations: [c] });
  };
  conversations.filter((c) => c.pinned).forEach((c) => put('pinned', () => t('pinned'), c));
  for (const c of conversations.filter((c) => !c.pinned)) {
    const key = recent.find(({ since }) => c.updated >= since)?.key;
    const time = new Date(c.updated);
    if (key) {
      put(key, () => t(key), c);
    } else {
      put(`${time.getFullYear()}-${time.getMonth()}`, () => date(time, { month: 'long', year: 'numeric' }), c);
    }
  }
  return [...byID.values()];
}
