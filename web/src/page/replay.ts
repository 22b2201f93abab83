import { errorOf } from '../shared/errors.ts';
import type { ChatCompletionChunk } from '../shared/types.ts';

type Choice = ChatCompletionChunk['choices'][number];

/** What an attempt at a reply consists of so far. */
interface Transcript {
  begun: boolean; // the first chunk, with the role, is there
  texts: Map<string, string>; // reasoning, content and each call's arguments
  calls: Set<number>; // indices of the calls that have begun
  logprobs: number; // tokens
}

const empty = (): Transcript => ({ begun: false, texts: new Map(), calls: new Set(), logprobs: 0 });

/**
 * Continues replies to a request after the device was lost. The request runs again with the same seed, so the replies are the same; the
 * part that was delivered already is removed from them.
 */
export class Replay {
  private readonly replies = new Map<number, ReplyReplay>(); // by the choice's index
  /** id and created of the first attempt. */
  private first: ChatCompletionChunk | undefined;

  /** Begins another attempt. */
  restart(): void {
    this.replies.forEach((r) => r.restart());
  }

  /** The part of a chunk that was not delivered yet; undefined: none. Throws 'device-lost' if the reply differs from the earlier one. */
  next(chunk: ChatCompletionChunk): ChatCompletionChunk | undefined {
    this.first ??= chunk;
    const { id, created } = this.first;
    const choices = chunk.choices.map((c) => this.reply(c.index).next(c));
    const fresh = chunk.choices.length === 0 || choices.some((c) => c !== undefined);
    return fresh ? { ...chunk, id, created, choices: choices.filter((c) => c !== undefined) } : undefined;
  }

  private reply(index: number): ReplyReplay {
    const reply = this.replies.get(index) ?? new ReplyReplay();
    this.replies.set(index, reply);
    return reply;
  }
}

/** Replay of one of the replies. */
class ReplyReplay {
  /** What the caller has received, of all attempts. */
  private readonly delivered = empty();
  /** What has come from the present attempt. */
  private received = empty();

  restart(): void {
    this.received = empty();
  }

  next(choice: Choice): Choice | undefined {
    const delta = { ...choice.delta };
    let fresh = choice.finish_reason !== null;
    if (delta.role !== undefined) {
      if (this.delivered.begun) {
        return undefined;
      }
      this.delivered.begun = fresh = true;
    }
    for (const field of ['reasoning', 'content'] as const) {
      const text = delta[field];
      if (text) {
        const rest = this.newText(field, text);
        fresh ||= rest !== '';
        delta[field] = rest;
      }
    }
    if (delta.tool_calls) {
      delta.tool_calls = delta.tool_calls.filter((call) => {
        const begins = call.id !== undefined && !this.delivered.calls.has(call.index);
        if (begins) {
          this.delivered.calls.add(call.index);
        }
        const text = call.function?.arguments;
        if (text) {
          call.function!.arguments = this.newText(`call ${call.index}`, text);
        }
        return begins || (call.id === undefined && call.function?.arguments !== '');
      });
      fresh ||= delta.tool_calls.length > 0;
    }
    return fresh ? { ...choice, delta, ...this.logprobs(choice.logprobs) } : (this.logprobs(choice.logprobs), undefined);
  }

  /** The part of a text that was not delivered yet. */
  private newText(field: string, text: string): string {
    const before = this.received.texts.get(field) ?? '';
    const received = before + text;
    const delivered = this.delivered.texts.get(field) ?? '';
    this.received.texts.set(field, received);
    if (received.length <= delivered.length ? !delivered.startsWith(received) : !received.startsWith(delivered)) {
      throw errorOf('device-lost', 'reply-lost', {}, { hint: 'Ask again.' });
    }
    if (received.length <= delivered.length) {
      return '';
    }
    this.delivered.texts.set(field, received);
    return received.slice(Math.max(delivered.length, before.length));
  }

  private logprobs(l: Choice['logprobs']): Pick<Choice, 'logprobs'> | object {
    if (!l?.content) {
      return l === undefined ? {} : { logprobs: l };
    }
    const known = Math.max(0, this.delivered.logprobs - this.received.logprobs);
    this.received.logprobs += l.content.length;
    this.delivered.logprobs = Math.max(this.delivered.logprobs, this.received.logprobs);
    const content = l.content.slice(known);
    return { logprobs: content.length > 0 ? { ...l, content } : null };
  }
}
