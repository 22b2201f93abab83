// How what several windows do to one conversation becomes one conversation. Nothing here touches the page or what is stored.

import { branch, type Conversation, type Message } from './conversation.ts';

/** A conversation without its messages. */
export type Head = Omit<Conversation, 'messages'>;

export function headOf({ messages: _, ...head }: Conversation): Head {
  return head;
}

const same = (a: unknown, b: unknown) => a === b || JSON.stringify(a) === JSON.stringify(b);

/**
 * Merges two heads by their fields: what this window has changed since base, which both have seen, and else what is stored. A title that the
 * visitor gave in another window meanwhile stays.
 */
export function mergeHeads(stored: Head, mine: Head, base: Head | undefined): Head {
  const merged = { ...stored } as Record<string, unknown>;
  for (const name of new Set([...Object.keys(mine), ...Object.keys(base ?? {})]) as Set<keyof Head>) {
    if (!same(mine[name], base?.[name])) {
      merged[name] = mine[name];
    }
  }
  if (stored.named && !mine.named) {
    merged['title'] = stored.title;
  }
  return { ...(merged as unknown as Head), updated: Math.max(stored.updated, mine.updated) };
}

/** Takes a merged head over, but for the leaf. What is equal keeps its identity. */
export function adopt(c: Conversation, head: Head): void {
  for (const name of new Set([...Object.keys(head), ...Object.keys(c)]) as Set<keyof Conversation>) {
    if (name !== 'messages' && name !== 'leaf' && !same(c[name], head[name])) {
      Object.assign(c, { [name]: head[name] });
    }
  }
}

/** The order of messages, the same in all windows: a message is later than the one that it follows. */
function compare(a: Message, b: Message): number {
  return a.created - b.created || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** Sorts messages as they come from the store. */
export function sortMessages(messages: Message[]): Message[] {
  return messages.sort(compare);
}

/** Makes the times of messages grow, in the order in which they are given, as those of older versions and of files may not. */
export function makeTimesGrow(messages: Message[]): void {
  let last = -Infinity;
  for (const m of messages) {
    m.created = last = Math.max(m.created, last + 1);
  }
}

/**
 * Brings a conversation up to date with what is stored of it: base is what this window knew to be stored. What this window has not saved
 * yet stays: its changes of the head, and the messages that isOwn names. Messages that were there keep their identity.
 */
export function update(c: Conversation, stored: Conversation, base: Head | undefined, isOwn: (m: Message) => boolean): void {
  const known = new Map(c.messages.map((m) => [m.id, m]));
  const shown = new Set(branch(c).map((m) => m.id));
  adopt(c, mergeHeads(headOf(stored), headOf(c), base));
  for (const m of stored.messages) {
    const mine = known.get(m.id);
    if (!mine) {
      c.messages.push(m);
    } else if (!isOwn(mine)) {
      for (const name of Object.keys(mine).filter((n) => !(n in m))) {
        delete (mine as unknown as Record<string, unknown>)[name];
      }
      Object.assign(mine, m);
    }
  }
  sortMessages(c.messages);
  // Another window's leaf is followed where it has gone on from what is shown here. Which of the branches that were there already
  // another window looks at is its own business.
  const path = branch(c, stored.leaf);
  const begin = path.find((m) => !known.has(m.id));
  if (path.some((m) => m.id === c.leaf) || begin && (begin.parent === null || shown.has(begin.parent))) {
    c.leaf = stored.leaf;
  }
}

/**
 * What this window knows to be stored, after an update. Where the leaf differs it is not for this window to overwrite, unless it is a message
 * that this window has yet to save.
 */
export function seenOf(stored: Conversation, c: Conversation): Head {
  const leaf = stored.messages.some((m) => m.id === c.leaf) ? c.leaf : stored.leaf;
  return { ...headOf(stored), leaf };
}

/** A conversation of what is stored. The leaf of the head may not be stored yet. */
export function assemble(head: Head, messages: Message[]): Conversation {
  sortMessages(messages);
  const leaf = messages.find((m) => m.id === head.leaf) ?? messages.at(-1);
  return { ...head, leaf: leaf?.id ?? null, messages };
}
