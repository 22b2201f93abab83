// Turns of a conversation: replies as they stream in, the calls of tools in between, and what the model is shown.

import type { RuntimeError, Usage } from '../src/index.ts';
import { append, branch, fit, followsSchema, openCalls, toParams, toRequest, type Conversation, type Fill, type Message } from './conversation.ts';
import type { Engine } from './engine-types.ts';
import { errorText } from './dom.ts';
import type { ModelHost } from './model.ts';
import type { Settings } from './store.ts';
import { runCall, toolsFor } from './tools.ts';

/** Replies of one turn at most: a model that only calls tools has to come to an end. */
const longestTurn = 12;

/** Is told of turns. */
export interface Listener {
  /** A turn has begun. */
  began(c: Conversation): void;
  /** A message is there, or has changed. */
  changed(c: Conversation, message: Message): void;
  /** A reply has ended. */
  ended(c: Conversation, message: Message): void;
  /** How full the context is. */
  filled(c: Conversation, fill: Fill): void;
  /** The turn has ended, or waits for the results of calls. */
  idle(c: Conversation): void;
}

export class Chat {
  private readonly host: ModelHost;
  private readonly settings: Settings;
  private readonly listener: Listener;
  /** Turns in progress by their conversation. */
  private readonly running = new Map<string, AbortController>();
  private readonly counts = new Map<string, number>();
  /** What the engine had against schemas, by their text. */
  private readonly refusals = new Map<string, string>();

  constructor(host: ModelHost, settings: Settings, listener: Listener) {
    this.host = host;
    this.settings = settings;
    this.listener = listener;
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

  /** Ends the reply; what there is of it stays. */
  stop(c: Conversation): void {
    this.running.get(c.id)?.abort(new DOMException('Stopped.', 'AbortError'));
  }

  /** Ends all replies, as stop does. */
  stopAll(): void {
    this.running.forEach((abort) => abort.abort(new DOMException('Stopped.', 'AbortError')));
  }

  /** Asks, after the branch that is shown or as an alternative to another question. */
  async ask(c: Conversation, text: string, parent = c.leaf): Promise<void> {
    this.listener.changed(c, append(c, { role: 'user', content: text }, parent));
    await this.run(c);
  }

  /** Answers anew: a message of the assistant gets an alternative. */
  async again(c: Conversation, message: Message): Promise<void> {
    c.leaf = message.parent;
    await this.run(c);
  }

  /** Gives the result of a call that the visitor answers. When all of a reply have one, the turn goes on. */
  async answer(c: Conversation, callID: string, content: string): Promise<void> {
    this.listener.changed(c, append(c, { role: 'tool', content, callID }));
    if (openCalls(branch(c)).length === 0) {
      await this.run(c);
    }
  }

  /** Counts how full the context is with the branch that is shown. */
  async measure(c: Conversation): Promise<Fill | undefined> {
    if (this.host.state.phase !== 'ready') {
      return undefined;
    }
    return this.fit(c, branch(c), this.host.state.engine);
  }

  private fit(c: Conversation, path: Message[], engine: Engine): Promise<Fill> {
    const count = async (text: string) => {
      if (text === '') {
        return 0;
      }
      let n = this.counts.get(text);
      if (n === undefined) {
        n = (await engine.tokenize(text)).length;
        if (this.counts.size > 2000) {
          this.counts.clear();
        }
        this.counts.set(text, n);
      }
      return n;
    };
    return fit(path, c.options, toolsFor(c.options.tools, this.settings.functions), engine.info.context, count);
  }

  /** Replies until there is an answer, or calls that the visitor has to answer. */
  private async run(c: Conversation): Promise<void> {
    if (this.running.has(c.id)) {
      return;
    }
    const abort = new AbortController();
    this.running.set(c.id, abort);
    this.listener.began(c);
    try {
      for (let round = 0; round < longestTurn; round++) {
        const reply = await this.reply(c, round === 0 && branch(c).at(-1)?.role === 'user', abort.signal);
        if (reply.finish !== 'tool_calls') {
          break;
        }
        for (const call of reply.calls ?? []) {
          const result = await runCall(call, abort.signal);
          if (result !== undefined) {
            this.listener.changed(c, append(c, { role: 'tool', content: result, callID: call.id }));
          }
        }
        if (openCalls(branch(c)).length > 0) {
          break;
        }
      }
    } catch {
      // Stopped while a tool ran: its call stays open.
    } finally {
      this.running.delete(c.id);
      this.listener.idle(c);
    }
  }

  /** One reply of the model. What goes wrong is written into it. */
  private async reply(c: Conversation, firstOfTurn: boolean, signal: AbortSignal): Promise<Message> {
    const path = branch(c);
    const message = append(c, { role: 'assistant', content: '', ...(c.options.schema && { schema: 'asked' }) });
    let schema = ''; // that goes with the request
    this.listener.changed(c, message);
    try {
      const engine = await this.host.ready(signal);
      message.model = engine.info.model;
      const fill = await this.fit(c, path, engine);
      this.listener.filled(c, fill);
      const shown = path.slice(fill.from);
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
          this.listener.filled(c, { ...fill, from: path.length - shown.length });
        }
      }
    } catch (error) {
      if (signal.aborted) {
        message.finish = 'stopped';
        delete message.calls; // perhaps not complete
      } else {
        const refusal = refusalOf(error);
        if (refusal) {
          this.refusals.set(schema, refusal);
        }
        message.finish = 'error';
        message.error = refusal ? `${refusal} Change the schema in the settings, under Format.` : errorText(error);
      }
    }
    c.updated = Date.now();
    this.listener.ended(c, message);
    return message;
  }

  private async stream(c: Conversation, message: Message, shown: Message[], engine: Engine, firstOfTurn: boolean, signal: AbortSignal): Promise<void> {
    const messages = toRequest(shown);
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
    const params = { ...toParams(c.options, tools, firstOfTurn), messages, stream: true as const, stream_options: { include_usage: true } };
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
        }
        if (reasoning) {
          reasoningSince ??= last;
          message.reasoning = (message.reasoning ?? '') + reasoning;
        }
        if (reasoningSince !== undefined && !message.content && !message.calls) {
          message.reasoningMs = last - reasoningSince; // until something else comes
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
      if (first !== undefined) {
        const timings = usage?.timings;
        message.stats = {
          promptTokens: usage?.prompt_tokens ?? 0,
          tokens: usage?.completion_tokens ?? parts, // a reply that was stopped tells no usage; most parts are one token
          firstTokenMs: timings?.time_to_first_token_ms ?? first - start,
          tokensPerSecond: timings?.decode_tokens_per_second ?? (last > first ? ((parts - 1) * 1000) / (last - first) : 0),
          ...(timings && { prefillPerSecond: timings.prefill_tokens_per_second }),
        };
      }
      if (message.reasoning) {
        message.reasoningTokens = usage?.completion_tokens_details?.reasoning_tokens ?? (await engine.tokenize(message.reasoning).then((t) => t.length, () => 0));
      }
    }
    if (!message.finish) {
      message.finish = 'stop';
    }
    if (usage) {
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
  return `Answers cannot be made to follow this schema: ${message!.replace(`${field}: `, '').replace(/\.$/, '')}.`;
}
