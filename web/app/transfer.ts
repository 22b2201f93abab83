// Conversations as files: JSON with all branches, Markdown with the one that is shown. Both can be read again.

import { append, branch, checkSchema, defaultOptions, fenced, newConversation, newID, textOf, titleOf, type Conversation, type Effort, type Message, type Options, type Stats } from './conversation.ts';
import { readForeign } from './foreign.ts';
import { t } from './language.ts';
import type { Said } from './words.ts';

const format = 'gossamer-conversations';

/** JSON of conversations, with every branch. */
export function toJSON(conversations: Conversation[]): string {
  return `${JSON.stringify({ format, version: 1, conversations }, null, 2)}\n`;
}

/** Markdown of the branch that is shown. Comments, which renderers hide, say what is what. */
export function toMarkdown(c: Conversation): string {
  const parts = [`# ${c.title || t('conversation')}`];
  const add = (kind: string, heading: Said, text: string) => parts.push(`<!-- gossamer: ${kind} -->\n**${heading}**`, escape(text));
  if (c.options.instructions) {
    add('instructions', t('exportInstructions'), c.options.instructions);
  }
  for (const m of branch(c)) {
    if (m.role === 'user') {
      add('user', t('exportYou'), textOf(m));
    } else if (m.role === 'tool') {
      add(`result ${m.callID}`, t('result'), fenced(m.content));
    } else {
      if (m.reasoning) {
        add('reasoning', t('exportReasoning'), m.reasoning);
      }
      if (m.content || !m.calls?.length) {
        add('assistant', m.model ?? t('exportAssistant'), m.content);
      }
      for (const call of m.calls ?? []) {
        add(`call ${call.id} ${call.function.name}`, t('exportCalls', { name: call.function.name }), fenced(call.function.arguments));
      }
    }
  }
  return `${parts.join('\n\n')}\n`;
}

/** Keeps lines of a text from being taken for the comments above. */
function escape(text: string): string {
  return text.replace(/^(\\*)<!-- gossamer:/gm, '$1\\<!-- gossamer:');
}

function unescape(text: string): string {
  return text.replace(/^\\(\\*)<!-- gossamer:/gm, '$1<!-- gossamer:');
}

function unfenced(text: string): string {
  const match = /^(`{3,})\n([^]*)\n\1$/.exec(text);
  return match ? match[2]! : text;
}

/** Reads what toJSON or toMarkdown wrote, or ChatGPT or Open WebUI. Throws an Error with a sentence where it is none of these. */
export function read(text: string): Conversation[] {
  if (/^PK\x03\x04/.test(text)) {
    throw new Error(String(t('importArchive')));
  }
  return /^\s*[{[]/.test(text) ? readJSON(text) : [readMarkdown(text)];
}

function readMarkdown(text: string): Conversation {
  const normal = text.replace(/\r\n?/g, '\n');
  const marks = [...normal.matchAll(/^<!-- gossamer: (\w+)(?: (\S+))?(?: (\S+))? -->\n\*\*.*\*\*\n\n?/gm)];
  if (marks.length === 0) {
    throw new Error(String(t('importMarkdown')));
  }
  const c = newConversation(defaultOptions);
  c.title = /^# (.*)$/m.exec(normal.slice(0, marks[0]!.index))?.[1] ?? '';
  let reasoning: string | undefined;
  marks.forEach((mark, i) => {
    const [whole, kind, id, name] = mark;
    const body = unescape(normal.slice(mark.index + whole.length, marks[i + 1]?.index).replace(/\n*$/, ''));
    const last = c.messages.at(-1);
    switch (kind) {
      case 'instructions':
        c.options.instructions = body;
        break;
      case 'user':
        append(c, { role: 'user', content: body });
        break;
      case 'reasoning':
        reasoning = body;
        break;
      case 'assistant':
        append(c, { role: 'assistant', content: body, finish: 'stop', ...(reasoning !== undefined && { reasoning }) });
        reasoning = undefined;
        break;
      case 'call': {
        const call = { id: id ?? '', type: 'function' as const, function: { name: name ?? '', arguments: unfenced(body) } };
        // Calls belong to the message before, if it is the assistant's and said something before it called.
        if (last?.role === 'assistant' && reasoning === undefined && (last.calls || i > 0 && marks[i - 1]![1] === 'assistant')) {
          (last.calls ??= []).push(call);
          last.finish = 'tool_calls';
        } else {
          append(c, { role: 'assistant', content: '', calls: [call], finish: 'tool_calls', ...(reasoning !== undefined && { reasoning }) });
          reasoning = undefined;
        }
        break;
      }
      case 'result':
        append(c, { role: 'tool', content: unfenced(body), callID: id ?? '' });
        break;
      default:
        throw new Error(String(t('importPart', { kind: kind! })));
    }
  });
  if (reasoning !== undefined) {
    append(c, { role: 'assistant', content: '', reasoning, finish: 'stopped' });
  }
  return c;
}

function readJSON(text: string): Conversation[] {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    throw new Error(String(t('importNotJSON', { reason: (error as Error).message.replace(/\.$/, '') })));
  }
  const file = data as { format?: unknown; version?: unknown; conversations?: unknown };
  if (file?.format !== format || !Array.isArray(file.conversations)) {
    const foreign = readForeign(data);
    if (foreign) {
      return foreign;
    }
    throw new Error(String(t('importUnknown')));
  }
  if (file.version !== 1) {
    throw new Error(String(t('importVersion', { version: String(file.version) })));
  }
  return file.conversations.map(readConversation);
}

const refuse = (problem: Said): never => {
  throw new Error(String(t('importDamaged', { problem })));
};

const string = (v: unknown, what: string): string => (typeof v === 'string' ? v : refuse(t('damagedText', { field: what })));
const number = (v: unknown, otherwise: number): number => (typeof v === 'number' && Number.isFinite(v) ? v : otherwise);
/** Milliseconds since 1970, of a date that there is. */
const time = (v: unknown, otherwise: number): number => (Number.isNaN(new Date(number(v, NaN)).getTime()) ? otherwise : (v as number));

/** A conversation of a file, under a new id: what was imported twice is there twice. */
function readConversation(data: unknown): Conversation {
  const from = data as Partial<Conversation>;
  if (typeof from !== 'object' || from === null || !Array.isArray(from.messages)) {
    return refuse(t('damagedConversation'));
  }
  const messages = from.messages.map(readMessage);
  const ids = new Set(messages.map((m) => m.id));
  const earlier = new Set<string>();
  for (const m of messages) {
    if (earlier.has(m.id)) {
      refuse(t('damagedTwice', { id: m.id }));
    }
    if (m.parent !== null && !earlier.has(m.parent)) {
      refuse(t('damagedOrder', { id: m.id }));
    }
    earlier.add(m.id);
  }
  const leaf = from.leaf === null || ids.has(from.leaf ?? '') ? (from.leaf ?? null) : (messages.at(-1)?.id ?? null);
  const created = time(from.created, Date.now());
  const title = titleOf(typeof from.title === 'string' ? from.title : '');
  return {
    id: newID(), title, created, updated: time(from.updated, created), messages, leaf, options: readOptions(from.options), ...(from.pinned === true && { pinned: true }), ...(from.named === true && { named: true }),
  };
}

function readMessage(data: unknown): Message {
  const m = data as Message;
  if (typeof m !== 'object' || m === null || !['user', 'assistant', 'tool'].includes(m.role)) {
    return refuse(t('damagedRole'));
  }
  const message: Message = {
    id: string(m.id, 'messages[].id'), parent: m.parent === null ? null : string(m.parent, 'messages[].parent'),
    role: m.role, content: string(m.content, 'messages[].content'), created: time(m.created, 0),
  };
  for (const key of ['reasoning', 'callID', 'error', 'model'] as const) {
    if (m[key] !== undefined) {
      message[key] = string(m[key], `messages[].${key}`);
    }
  }
  for (const key of ['reasoningMs', 'reasoningTokens'] as const) {
    if (m[key] !== undefined) {
      message[key] = number(m[key], 0);
    }
  }
  if (m.finish !== undefined && ['stop', 'length', 'tool_calls', 'stopped', 'error'].includes(m.finish)) {
    message.finish = m.finish;
  }
  if (m.schema !== undefined) {
    message.schema = m.schema === 'followed' ? 'followed' : 'asked'; // earlier versions wrote the schema itself
  }
  if (m.calls !== undefined) {
    message.calls = (Array.isArray(m.calls) ? m.calls : refuse(t('damagedList', { field: 'calls' }))).map((c) => ({
      id: string(c?.id, 'calls[].id'), type: 'function' as const,
      function: { name: string(c?.function?.name, 'calls[].function.name'), arguments: string(c?.function?.arguments, 'calls[].function.arguments') },
    }));
  }
  if (m.files !== undefined) {
    message.files = (Array.isArray(m.files) ? m.files : refuse(t('damagedList', { field: 'files' }))).map((f) => ({
      name: string(f?.name, 'files[].name'), text: string(f?.text, 'files[].text'), ...(f.tokens !== undefined && { tokens: number(f.tokens, 0) }),
    }));
  }
  if (typeof m.stats === 'object' && m.stats !== null) {
    message.stats = readStats(m.stats);
  }
  return message;
}

function readStats(s: Partial<Stats>): Stats {
  return {
    promptTokens: number(s.promptTokens, 0), tokens: number(s.tokens, 0), firstTokenMs: number(s.firstTokenMs, 0), tokensPerSecond: number(s.tokensPerSecond, 0),
    ...(s.prefillPerSecond !== undefined && { prefillPerSecond: number(s.prefillPerSecond, 0) }),
  };
}

function readOptions(data: unknown): Options {
  const o = (typeof data === 'object' && data !== null ? data : {}) as Partial<Options>;
  const text = (v: unknown) => (typeof v === 'string' ? v : '');
  const sampling: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(o.sampling ?? {})) {
    if (samplingFields.includes(name) && (typeof value === 'number' || (name === 'stop' && Array.isArray(value) && value.every((s) => typeof s === 'string')))) {
      sampling[name] = value;
    }
  }
  return {
    effort: (['low', 'medium', 'high'] as Effort[]).find((e) => e === o.effort) ?? 'medium',
    instructions: text(o.instructions), sampling, schema: checkSchema(text(o.schema)) ? '' : text(o.schema),
    tools: Array.isArray(o.tools) ? o.tools.filter((t) => typeof t === 'string') : [], toolChoice: text(o.toolChoice) || 'auto',
  };
}

const samplingFields = ['temperature', 'top_p', 'top_k', 'min_p', 'repetition_penalty', 'presence_penalty', 'frequency_penalty', 'seed', 'max_completion_tokens', 'stop'];
