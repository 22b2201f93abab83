// Replies that a reload may interrupt: the request of each and its tokens so far, in localStorage, under names that the page gives them.

import { RuntimeError } from '../shared/errors.ts';

/** A reply that has not ended. */
export interface KeptReply {
  /** URL of the model's manifest. */
  model: string;
  /** The request, with a seed. */
  body: string;
  /** The reply so far. */
  tokens: number[];
}

const prefix = 'gossamer reply ';

/** Milliseconds between two times that a reply is written. What a crash loses of it is computed again, the same. */
const saveEvery = 1000;

/** The names of replies that were interrupted. */
export function keptReplies(): string[] {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
  } catch {
    return []; // this page keeps nothing
  }
}

/** The reply of a name, for the model at a URL. */
export function readReply(name: string, model: string): KeptReply {
  let reply: KeptReply | undefined;
  try {
    reply = JSON.parse(localStorage.getItem(prefix + name) ?? '') as KeptReply;
  } catch {
    // as if it were not there
  }
  if (typeof reply?.body !== 'string' || !Array.isArray(reply.tokens)) {
    throw new RuntimeError('bad-request', `no reply is kept as ${JSON.stringify(name)}`, { hint: 'Those that a reload interrupted are in interrupted().' });
  }
  if (reply.model !== model) {
    throw new RuntimeError('bad-request', `the reply ${JSON.stringify(name)} is of the model ${reply.model}`, { hint: 'Open that model, or ask again.' });
  }
  return reply;
}

/** Forgets a reply. */
export function forgetReply(name: string): void {
  try {
    localStorage.removeItem(prefix + name);
  } catch {
    // it was never kept
  }
}

/** Keeps a reply while it grows. */
export class ReplyKeeper {
  private readonly name: string;
  private readonly reply: KeptReply;
  private saved = 0;
  private readonly save = () => {
    this.saved = performance.now();
    try {
      localStorage.setItem(prefix + this.name, JSON.stringify(this.reply));
    } catch {
      // The storage is full, or there is none.
    }
  };

  constructor(name: string, reply: KeptReply) {
    this.name = name;
    this.reply = reply;
    this.save();
    globalThis.addEventListener?.('pagehide', this.save);
  }

  /** Called when tokens were added. */
  grown(): void {
    if (performance.now() - this.saved >= saveEvery) {
      this.save();
    }
  }

  /** Ends the keeping; whole: the reply is not needed any more. */
  end(whole: boolean): void {
    globalThis.removeEventListener?.('pagehide', this.save);
    if (whole) {
      forgetReply(this.name);
    } else {
      this.save();
    }
  }
}
