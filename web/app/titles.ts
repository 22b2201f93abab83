// Titles by the model, once it has answered. They are no more than a nicety: nothing waits for them, and whatever is asked for ends them.

import { branch, hasGivenTitle, titleOf, type Conversation } from './conversation.ts';
import type { Engine } from './engine-types.ts';
import type { ModelHost } from './model.ts';
import type { Settings } from './settings.ts';

/** Characters of a question and of an answer that say enough of what they are about. */
const longestExcerpt = 1000;
/** Questions after which it is too late for another title: the visitor knows the conversation by the one that it has. */
const lastQuestion = 3;
/** Bytes of the weights of a model that finds titles: the miniature does not. */
const leastWeights = 4e9;

const schema = { type: 'object', properties: { title: { type: 'string', minLength: 1, maxLength: 60 } }, required: ['title'], additionalProperties: false };

export interface TitleListener {
  /** Whether a reply is being written, in any window. */
  isBusy(): boolean;
  /** A conversation has another title. */
  titled(c: Conversation): void;
}

export class Titles {
  private readonly host: ModelHost;
  private readonly settings: Settings;
  private readonly listener: TitleListener;
  /** Of the title that is being made. */
  private abort = new AbortController();
  /** Ids of conversations whose title the model has made, or could not make. */
  private readonly done = new Set<string>();

  constructor(host: ModelHost, settings: Settings, listener: TitleListener) {
    [this.host, this.settings, this.listener] = [host, settings, listener];
    document.addEventListener('input', () => this.cancel()); // the visitor writes, and may ask soon
  }

  /** Ends the title that is being made. After the next answer it is tried again. */
  cancel(): void {
    this.abort.abort();
  }

  /** Makes a title for a conversation that the model has just answered in, unless it has one, or something else is to be done. */
  async make(c: Conversation): Promise<void> {
    const { state } = this.host;
    const about = excerptOf(c);
    if (!about || this.done.has(c.id) || !this.settings.titles || state.phase !== 'ready' || !isAble(state.engine) || this.listener.isBusy() || isWriting()) {
      return;
    }
    this.cancel();
    const { signal } = (this.abort = new AbortController());
    const title = await ask(state.engine, about, signal).catch(() => ''); // the question stands for one
    if (signal.aborted) {
      return;
    }
    this.done.add(c.id);
    if (title && !hasGivenTitle(c) && !isWriting()) {
      c.title = title;
      this.listener.titled(c);
    }
  }
}

/** What a conversation is about: its question, and the answer at its end; undefined: it wants no title. */
function excerptOf(c: Conversation): string | undefined {
  const path = branch(c);
  const questions = path.filter((m) => m.role === 'user');
  const [question, answer] = [questions[0], path.at(-1)];
  if (!question || answer?.role !== 'assistant' || !answer.content || (answer.finish !== 'stop' && answer.finish !== 'length')) {
    return undefined;
  }
  if (questions.length > lastQuestion || hasGivenTitle(c)) {
    return undefined;
  }
  const files = question.files?.map((f) => `\nFile: ${f.name}`).join('') ?? '';
  return `Question: ${question.content.slice(0, longestExcerpt)}${files}\n\nAnswer: ${answer.content.slice(0, longestExcerpt)}`;
}

function isAble({ info }: Engine): boolean {
  return info.inBrowser ? info.inBrowser.memory.weights >= leastWeights : !/\bnano\b/.test(info.model);
}

/** Whether the visitor has begun the next question, or gives a title. */
function isWriting(): boolean {
  const box = document.getElementById('text') as HTMLTextAreaElement;
  return box.value.trim() !== '' || document.querySelector('form.edit, #conversations input') !== null;
}

async function ask(engine: Engine, about: string, signal: AbortSignal): Promise<string> {
  const { choices } = await engine.chat.completions.create({
    messages: [{ role: 'user', content: `${about}\n\nGive this conversation a title of at most six words, in the language of the question.` }],
    reasoning_effort: 'low', max_completion_tokens: 200, temperature: 0,
    response_format: { type: 'json_schema', json_schema: { name: 'title', strict: true, schema } },
  }, { signal });
  return titleOf((JSON.parse(choices[0]?.message.content ?? '') as { title: string }).title);
}
