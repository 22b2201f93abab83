// Turns of a conversation: replies as they stream in, the calls of tools in between, and what the model is shown.

import type { RuntimeError, Usage } from '../src/index.ts';
import {
  append, branch, extend, fit, followsSchema, hasBegun, openCalls, toParams, toRequest, type Conversation, type Fill, type Message, type TextFile,
} from './conversation.ts';
import type { Engine } from './engine-types.ts';
import { errorText } from './error-text.ts';
import { sentences, t } from './language.ts';
import type { ModelHost } from './model.ts';
import type { Settings } from './settings.ts';
import { runCall, toolsFor } from './tools.ts';
import type { TurnLock } from './turn-lock.ts';

/** Replies of one turn at most: a model that only calls tools has to come to an end. */
const longestTurn = 12;

/** Is told of turns. */
export interface Listener {
  /** A turn is to begin: it waits for those of other windows. */
  began(c: Conversation): void;
  /** The turn can begin. Brings the conversation up to date; resolves to whether it is still there. */
  sync(c: Conversation): Promise<boolean>;
  /** A message is there, or has changed. */
  changed(c: Conversation, message: Message): void;
  /** A reply has ended. */
  ended(c: Conversation, message: Message): void;
  /** How full the context is. */
  filled(c: Conversation, fill: Fill): void;
  /** The turn has ended, or waits for the results of calls. Resolves when all of it is saved. */
  idle(c: Conversation): Promise<void>;
}

/** How a question is asked. */
export interface AskOptions {
  /** The message that it follows; undefined: the last one that is shown. */
  parent?: string | null;
  files?: TextFile[] | undefined;
  /** Is called when the question is there. */
  asked?: () => void;
}

/** Where a turn begins. */
interface Begin {
  /** Id of the message that the reply follows. */
  at: string | null;
  /** The reply, if there is a beginning of it. */
  reply?: Message;
}

/** A turn in progress. */
interface Turn {
  abort: AbortController;
  ended: Promise<void>;
  /** The reply that is being written. */
  reply?: Message;
}

export class Chat {
  private readonly host: ModelHost;
  private readonly settings: Settings;
  private readonly lock: Pick<TurnLock, 'run'>;
  private readonly listener: Listener;
  /** Turns in progress by their conversation. */
  private readonly running = new Map<string, Turn>();
  private readonly counts = new Map<string, number>();
  /** What is being read, by the conversation. */
  private readonly readings = new Map<string, { tokens: number; since: number }>();
  /** Tokens that the engine has read already, by the conversation. */
  private readonly read = new Map<string, { engine: Engine; tokens: number }>();
  /** Tokens that were read in a second, last. */
  private readRate: number | undefined;
  /** What the engine had against schemas, by their text. */
  private readonly refusals = new Map<string, string>();

  constructor(host: ModelHost, settings: Settings, lock: Pick<TurnLock, 'run'>, listener: Listener) {
    [this.host, this.settings, this.lock, this.listener] = [host, settings, lock, listener];
  }

  isRunning(c: Conversation): boolean {
    return this.running.has(c.id);
  }

  /** Whether a reply is being written in any conversation. */
  get isBusy(): boolean {
    return this.running.size > 0;
  }

  /** Why the engine has refused a schema of answers; undefined: it has not. */
  refusal(schema: string): string | undefined {
    return this.refusals.get(schema);
  }

  /** Whether a message is a reply that is being written here. */
  isWriting(c: Conversation, m: Message): boolean {
    return this.running.get(c.id)?.reply === m;
  }

  /** Ends the reply; what there is of it stays. Resolves when it has ended. */
  async stop(c: Conversation): Promise<void> {
    const turn = this.running.get(c.id);
    turn?.abort.abort(new DOMException('stopped', 'AbortError'));
    await turn?.ended;
  }

  /** Ends all replies, as stop does. */
  stopAll(): void {
    this.running.forEach(({ abort }) => abort.abort(new DOMException('stopped', 'AbortError')));
  }

  /** Asks, after the branch that is shown or as an alternative to another question. */
  ask(c: Conversation, text: string, { parent, files, asked }: AskOptions = {}): Promise<void> {
    return this.run(c, () => {
      const question = append(c, { role: 'user', content: text, ...(files?.length && { files }) }, parent);
      this.listener.changed(c, question);
      asked?.();
      return { at: question.id };
    });
  }

  /** Answers anew: a message of the assistant gets an alternative. */
  again(c: Conversation, message: Message): Promise<void> {
    return this.run(c, () => ({ at: (c.leaf = message.parent) }));
  }

  /** Answers the last message of the branch that is shown, which has no reply. */
  reply(c: Conversation): Promise<void> {
    return this.run(c, () => ({ at: c.leaf }));
  }

  /** Goes on with a reply that was cut off. */
  continue(c: Conversation, message: Message): Promise<void> {
    return this.run(c, () => ({ at: message.parent, reply: message }));
  }

  /** Gives the result of a call that the visitor answers. When all of a reply have one, the turn goes on. */
  async answer(c: Conversation, callID: string, content: string): Promise<void> {
    this.listener.changed(c, append(c, { role: 'tool', content, callID }));
    if (openCalls(branch(c)).length === 0) {
      await this.reply(c);
    }
  }

  /** Counts how full the context is with the branch that is shown. */
  async measure(c: Conversation): Promise<Fill | undefined> {
    if (this.host.state.phase !== 'ready') {
      return undefined;
    }
    return this.fit(c, branch(c), this.host.state.engine);
  }

  /** Tokens that the engine still had to read of a conversation when its reply was asked for, and how much of that is done, about. */
  reading(c: Conversation): { tokens: number; done: number | undefined } | undefined {
    const reading = this.readings.get(c.id);
    if (!reading) {
      return undefined;
    }
    const seconds = (performance.now() - reading.since) / 1000;
    return { tokens: reading.tokens, done: this.readRate && Math.min(0.97, (seconds * this.readRate) / reading.tokens) };
  }

  /** Positions of the open model; undefined: none is open. */
  get context(): number | undefined {
    const { state } = this.host;
    return state.phase === 'ready' ? state.engine.info.context : undefined;
  }

  /** Counts the tokens of a text; undefined: no model is open. */
  async count(text: string): Promise<number | undefined> {
    const { state } = this.host;
    return state.phase === 'ready' ? this.countWith(state.engine, text) : undefined;
  }

  private async countWith(engine: Engine, text: string): Promise<number> {
    let n = text === '' ? 0 : this.counts.get(text);
    if (n === undefined) {
      n = (await engine.tokenize(text)).length;
      if (this.counts.size > 2000) {
        this.counts.clear();
      }
      this.counts.set(text, n);
    }
    return n;
  }

  private fit(c: Conversation, path: Message[], engine: Engine): Promise<Fill> {
    const count = (text: string) => this.countWith(engine, text);
    return fit(path, c.options, toolsFor(c.options.tools, this.settings.functions), engine.info.context, count);
  }

  /** Takes a turn: when no other window has one in the conversation, and unless this one has. */
  private run(c: Conversation, begin: () => Begin): Promise<void> {
    if (this.running.has(c.id)) {
      return Promise.resolve();
    }
    const abort = new AbortController();
    const turn = async () => {
      try {
        if (await this.listener.sync(c)) {
          await this.replies(c, begin(), abort.signal);
        }
      } finally {
        await this.end(c, abort);
      }
    };
    const ended = this.lock.run(c.id, abort.signal, turn).catch(() => this.end(c, abort)); // stopped while it waited
    this.running.set(c.id, { abort, ended });
    this.listener.began(c);
    return ended;
  }

  private async end(c: Conversation, abort: AbortController): Promise<void> {
    if (this.running.get(c.id)?.abort === abort) {
      this.running.delete(c.id);
      await this.listener.idle(c);
    }
  }

  /** Replies until there is an answer, or calls that the visitor has to answer. */
  private async replies(c: Conversation, { at, reply }: Begin, signal: AbortSignal): Promise<void> {
    for (let round = 0; round < longestTurn; round++) {
      const path = branch(c, at);
      const message = round === 0 && reply || extend(c, { role: 'assistant', content: '', ...(c.options.schema && { schema: 'asked' }) }, at);
      Object.assign(this.running.get(c.id)!, { reply: message });
      await this.write(c, message, path, round === 0 && path.at(-1)?.role === 'user', signal);
      at = message.id;
      if (message.finish !== 'tool_calls') {
        return;
      }
      for (const call of message.calls ?? []) {
        let content: string | undefined;
        try {
          content = await runCall(call, signal);
        } catch {
          return; // stopped: the call stays open
        }
        if (content !== undefined) {
          const result = extend(c, { role: 'tool', content, callID: call.id }, at);
          this.listener.changed(c, result);
          at = result.id;
        }
      }
      if (openCalls(branch(c, at)).length > 0) {
        return;
      }
    }
  }

  /** One reply of the model to a path of messages. What goes wrong is written into it. */
  private async write(c: Conversation, message: Message, path: Message[], firstOfTurn: boolean, signal: AbortSignal): Promise<void> {
    delete message.finish;
    delete message.error;
    delete message.calls; // perhaps not complete
    const shown = hasBegun(message) ? [...path, message] : [...path];
    let schema = ''; // that goes with the request
    this.listener.changed(c, message);
    try {
      const engine = await this.host.ready(signal);
      message.model = engine.info.model;
      const fill = await this.fit(c, shown, engine);
      this.listener.filled(c, fill);
      const known = this.read.get(c.id);
      this.readings.set(c.id, { tokens: fill.used - (known?.engine === engine ? Math.min(known.tokens, fill.used) : 0), since: performance.now() });
      shown.splice(0, fill.from);
      for (;;) {
        try {
          schema = c.options.schema;
          await this.stream(c, message, shown, engine, firstOfTurn, signal);
          break;
        } catch (error) {
          // The count before was an estimate: if the engine finds that it is too much, one more turn is left out.
          const next = shown.findIndex((m, i) => i > 0 && m.role === 'user');
          if ((error as { details?: { param?: string } }).details?.param !== 'messages' || next < 0) {
            throw error;
          }
          shown.splice(0, next);
          this.listener.filled(c, { ...fill, from: fill.from + next });
          fill.from += next;
        }
      }
    } catch (error) {
      if (signal.aborted) {
        message.finish = 'stopped';
        delete message.calls;
      } else {
        const refusal = refusalOf(error);
        if (refusal) {
          this.refusals.set(schema, refusal);
        }
        message.finish = 'error';
        message.error = String(refusal ? sentences(refusal, t('changeSchema')) : errorText(error));
      }
    }
    c.updated = Date.now();
    this.listener.ended(c, message);
  }

  private async stream(c: Conversation, message: Message, shown: Message[], engine: Engine, firstOfTurn: boolean, signal: AbortSignal): Promise<void> {
    const begun = shown.at(-1) === message; // the engine reads what there is of the reply, and goes on
    const messages = toRequest(begun ? shown.slice(0, -1) : shown);
    if (begun) {
      messages.push({ role: 'assistant', content: message.content, ...(message.reasoning && { reasoning: message.reasoning }) });
    }
    if (c.options.instructions) {
      messages.unshift({ role: 'developer', content: c.options.instructions });
    }
    const tools = toolsFor(c.options.tools, this.settings.functions);
    const start = performance.now();
    let first: number | undefined;
    let last = start;
    let reasoningSince: number | undefined;
    let parts = 0;
    let usage: Usage | null | undefined;
    const { reasoningMs: thought = 0, stats: earlier } = message;
    const params = {
      ...toParams(c.options, tools, firstOfTurn), messages, ...(begun && { continue_final_message: true }),
      stream: true as const, stream_options: { include_usage: true },
    };
    try {
      for await (const chunk of engine.chat.completions.create(params, { signal })) {
        usage = chunk.usage ?? usage;
        const choice = chunk.choices[0];
        if (!choice) {
          continue;
        }
        const { reasoning, content, tool_calls: calls } = choice.delta;
        if (reasoning || content || calls) {
          last = performance.now();
          first ??= last;
          parts++;
          this.readings.delete(c.id);
        }
        if (reasoning) {
          reasoningSince ??= last;
          message.reasoning = (message.reasoning ?? '') + reasoning;
        }
        if (reasoningSince !== undefined && !message.content && !message.calls) {
          message.reasoningMs = thought + last - reasoningSince; // until something else comes
        }
        if (content) {
          message.content += content;
        }
        for (const delta of calls ?? []) {
          message.calls ??= [];
          if (delta.id !== undefined) {
            message.calls[delta.index] = { id: delta.id, type: 'function', function: { name: delta.function?.name ?? '', arguments: '' } };
          }
          message.calls[delta.index]!.function.arguments += delta.function?.arguments ?? '';
        }
        if (choice.finish_reason) {
          message.finish = choice.finish_reason;
          if (followsSchema(message, params)) {
            message.schema = 'followed';
          }
        }
        this.listener.changed(c, message);
      }
    } finally {
      this.readings.delete(c.id);
      if (first !== undefined) {
        const timings = usage?.timings;
        this.readRate = timings?.prefill_tokens_per_second || this.readRate;
        message.stats = {
          promptTokens: usage?.prompt_tokens ?? 0,
          tokens: (begun && earlier?.tokens || 0) + (usage?.completion_tokens ?? parts), // a reply that was stopped tells no usage; most parts are one token
          firstTokenMs: timings?.time_to_first_token_ms ?? first - start,
          tokensPerSecond: timings?.decode_tokens_per_second ?? (last > first ? ((parts - 1) * 1000) / (last - first) : 0),
          ...(timings && { prefillPerSecond: timings.prefill_tokens_per_second }),
        };
      }
      if (message.reasoning) {
        const told = begun ? undefined : usage?.completion_tokens_details?.reasoning_tokens;
        message.reasoningTokens = told ?? (await engine.tokenize(message.reasoning).then((t) => t.length, () => 0));
      }
    }
    if (!message.finish) {
      message.finish = 'stop';
    }
    if (usage) {
      this.read.set(c.id, { engine, tokens: usage.total_tokens });
      const fill = { used: usage.total_tokens, from: branch(c).findIndex((m) => m.id === shown[0]?.id) };
      this.listener.filled(c, fill);
    }
  }
}

/** What the engine says against the schema of answers, a sentence; undefined: the error is another one. */
function refusalOf(error: unknown): string | undefined {
  const { message, details } = error as Partial<RuntimeError>;
  const field = 'response_format.json_schema.schema';
  if (details?.param !== field) {
    return undefined;
  }
  return String(t('refusedSchema', { reason: message!.replace(`${field}: `, '').replace(/\.$/, '') }));
}
