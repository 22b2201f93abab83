import { RuntimeError } from '../shared/errors.ts';
import type { ChatCompletionChunk } from '../shared/types.ts';

/** What one attempt at a reply has said. */
interface Said {
  chunks: boolean; // any
  texts: Map<string, string>; // reasoning, content and each call's arguments
  calls: Set<number>; // that have begun
  logprobs: number; // tokens
}

const nothing = (): Said => ({ chunks: false, texts: new Map(), calls: new Set(), logprobs: 0 });

/**
 * Repeats a reply after the device was lost. The request runs again with the same seed and says the same; what the page has heard
 * already is taken out of it.
 */
export class Replay {
  private heard = nothing();
  private said = nothing();
  /** id and created of the first attempt. */
  private first: ChatCompletionChunk | undefined;

  /** Begins another attempt. */
  restart(): void {
    this.said = nothing();
  }

  /** What is new of a chunk; undefined: nothing. Throws 'device-lost' if the reply says something else than before. */
  next(chunk: ChatCompletionChunk): ChatCompletionChunk | undefined {
    this.first ??= chunk;
    const { id, created } = this.first;
    const choices = chunk.choices.map((c) => this.nextChoice(c));
    const fresh = chunk.choices.length === 0 || choices.some((c) => c !== undefined);
    return fresh ? { ...chunk, id, created, choices: choices.filter((c) => c !== undefined) } : undefined;
  }

  private nextChoice(choice: ChatCompletionChunk['choices'][number]): ChatCompletionChunk['choices'][number] | undefined {
    const delta = { ...choice.delta };
    let fresh = choice.finish_reason !== null;
    if (delta.role !== undefined) {
      if (this.heard.chunks) {
        return undefined;
      }
      this.heard.chunks = fresh = true;
    }
    for (const field of ['reasoning', 'content'] as const) {
      const text = delta[field];
      if (text) {
        const more = this.more(field, text);
        fresh ||= more !== '';
        delta[field] = more;
      }
    }
    if (delta.tool_calls) {
      delta.tool_calls = delta.tool_calls.filter((call) => {
        const begins = call.id !== undefined && !this.heard.calls.has(call.index);
        if (begins) {
          this.heard.calls.add(call.index);
        }
        const text = call.function?.arguments;
        if (text) {
          call.function!.arguments = this.more(`call ${call.index}`, text);
        }
        return begins || (call.id === undefined && call.function?.arguments !== '');
      });
      fresh ||= delta.tool_calls.length > 0;
    }
    return fresh ? { ...choice, delta, ...this.logprobs(choice.logprobs) } : (this.logprobs(choice.logprobs), undefined);
  }

  /** The part of a text that was not heard yet. */
  private more(field: string, text: string): string {
    const before = this.said.texts.get(field) ?? '';
    const said = before + text;
    const heard = this.heard.texts.get(field) ?? '';
    this.said.texts.set(field, said);
    if (said.length <= heard.length ? !heard.startsWith(said) : !said.startsWith(heard)) {
      throw new RuntimeError('device-lost', 'the GPU was lost, and the reply could not be continued as it had begun', { hint: 'Ask again.' });
    }
    if (said.length <= heard.length) {
      return '';
    }
    this.heard.texts.set(field, said);
    return said.slice(Math.max(heard.length, before.length));
  }

  private logprobs(l: ChatCompletionChunk['choices'][number]['logprobs']): Pick<ChatCompletionChunk['choices'][number], 'logprobs'> | object {
    if (!l?.content) {
      return l === undefined ? {} : { logprobs: l };
    }
    const known = Math.max(0, this.heard.logprobs - this.said.logprobs);
    this.said.logprobs += l.content.length;
    this.heard.logprobs = Math.max(this.heard.logprobs, this.said.logprobs);
    const content = l.content.slice(known);
    return { logprobs: content.length > 0 ? { ...l, content } : null };
  }
}
