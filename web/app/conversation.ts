// A conversation: messages that form a tree, since questions can be edited and replies be made again. No part of this touches the
// page or the engine.

import type { ChatMessage, ChatParams, FunctionTool, ToolCall } from '../src/index.ts';
import { t } from './language.ts';

export type Effort = 'low' | 'medium' | 'high';

/** How replies are drawn; undefined: the model's own default. */
export interface Sampling {
  temperature?: number | undefined;
  top_p?: number | undefined;
  top_k?: number | undefined;
  min_p?: number | undefined;
  repetition_penalty?: number | undefined;
  presence_penalty?: number | undefined;
  frequency_penalty?: number | undefined;
  seed?: number | undefined;
  max_completion_tokens?: number | undefined;
  stop?: string[] | undefined;
}

/** What goes with every request of a conversation. */
export interface Options {
  effort: Effort;
  /** For the model, from the one who writes the app. */
  instructions: string;
  sampling: Sampling;
  /** Names of the functions that the model may call. */
  tools: string[];
  /** 'auto', 'required', or the name of the one to call. */
  toolChoice: string;
  /** JSON schema of answers; empty: free text. */
  schema: string;
}

export const defaultOptions: Options = { effort: 'medium', instructions: '', sampling: {}, tools: [], toolChoice: 'auto', schema: '' };

/** What is known of how a reply was made. */
export interface Stats {
  promptTokens: number;
  /** Reasoning included. */
  tokens: number;
  firstTokenMs: number;
  tokensPerSecond: number;
  prefillPerSecond?: number;
}

/** A text file that goes with a question. */
export interface TextFile {
  name: string;
  text: string;
  /** Its size; undefined: no model was open to count. */
  tokens?: number;
}

export interface Message {
  id: string;
  /** The message before; null: none. */
  parent: string | null;
  role: 'user' | 'assistant' | 'tool';
  content: string;
  /** Of the user: what the model is shown before the question. */
  files?: TextFile[];
  /** Milliseconds since 1970. */
  created: number;
  /** Of the assistant: what it thought, for how long, in how many tokens. */
  reasoning?: string;
  reasoningMs?: number;
  reasoningTokens?: number;
  calls?: ToolCall[];
  /** Of a tool: which call this is the result of. */
  callID?: string;
  /** Of the assistant: why it ended; undefined: it has not. */
  finish?: 'stop' | 'length' | 'tool_calls' | 'stopped' | 'error';
  /** With finish 'error': a sentence. */
  error?: string;
  model?: string;
  stats?: Stats;
  /** Of the assistant: the answer was asked to follow a schema, and perhaps the engine has made it do so, to its end. */
  schema?: 'asked' | 'followed';
}

export interface Conversation {
  id: string;
  title: string;
  /** The visitor gave the title. */
  named?: boolean;
  created: number;
  updated: number;
  messages: Message[];
  /** The last message of the branch that is shown; null: there is none. */
  leaf: string | null;
  options: Options;
  /** Stays at the top of the list. */
  pinned?: boolean;
}

/** An id that no other conversation or message has. Pages that are not secure lack crypto.randomUUID. */
export function newID(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');
}

export function newConversation(options: Options): Conversation {
  const now = Date.now();
  return { id: newID(), title: '', created: now, updated: now, messages: [], leaf: null, options: structuredClone(options) };
}

/** Appends a message to the branch that is shown, or after another one as a new branch. */
export function append(c: Conversation, message: Omit<Message, 'id' | 'parent' | 'created'>, parent = c.leaf): Message {
  // Later than what is there, so that all windows have the same order.
  const created = Math.max(Date.now(), (c.messages.at(-1)?.created ?? 0) + 1);
  const added: Message = { id: newID(), parent, created, ...message };
  c.messages.push(added);
  c.leaf = added.id;
  c.updated = Date.now();
  if (!c.title && message.role === 'user') {
    c.title = firstTitle(message);
  }
  return added;
}

/** Appends a message to a branch, and shows it if the branch is shown. */
export function extend(c: Conversation, message: Omit<Message, 'id' | 'parent' | 'created'>, parent: string | null): Message {
  const { leaf } = c;
  const added = append(c, message, parent);
  if (leaf !== parent) {
    c.leaf = leaf;
  }
  return added;
}

/** Whether there is a beginning of a reply. */
export function hasBegun(m: Message): boolean {
  return m.role === 'assistant' && (m.content !== '' || (m.reasoning ?? '') !== '');
}

export function titleOf(text: string): string {
  const line = text.trim().split('\n')[0]!.replace(/\s+/g, ' ');
  return line.length > 60 ? `${line.slice(0, 59).trimEnd()}…` : line;
}

/** The title of a conversation that begins with a question. */
function firstTitle({ content, files }: Pick<Message, 'content' | 'files'>): string {
  return titleOf(content) || titleOf(files?.map((f) => f.name).join(', ') ?? '');
}

/** Whether somebody has given the conversation a title, or the model has. */
export function hasGivenTitle(c: Conversation): boolean {
  const question = c.messages.find((m) => m.role === 'user');
  return c.named === true || !question || c.title !== firstTitle(question);
}

/** What a message says, with its files before it. */
export function textOf({ content, files }: Message): string {
  return files?.length ? [...files.map(({ name, text }) => `File ${name}:\n${fenced(text)}`), content].filter(Boolean).join('\n\n') : content;
}

/** Text in a fence that is longer than any in it. */
export function fenced(text: string): string {
  const longest = [...text.matchAll(/`{3,}/g)].reduce((n, m) => Math.max(n, m[0].length), 2);
  const fence = '`'.repeat(longest + 1);
  return `${fence}\n${text}\n${fence}`;
}

/** The messages of the branch that is shown, the first one first. */
export function branch(c: Conversation, leaf = c.leaf): Message[] {
  const byID = new Map(c.messages.map((m) => [m.id, m]));
  const path: Message[] = [];
  for (let at = leaf === null ? undefined : byID.get(leaf); at && path.length <= c.messages.length; at = at.parent === null ? undefined : byID.get(at.parent)) {
    path.push(at);
  }
  return path.reverse();
}

/** The alternatives to a message, itself among them. */
export function siblings(c: Conversation, message: Message): Message[] {
  return c.messages.filter((m) => m.parent === message.parent);
}

/** Shows the branch that a message is on: as far as it was continued last. */
export function show(c: Conversation, message: Message): void {
  let at = message;
  for (;;) {
    const next = c.messages.filter((m) => m.parent === at.id).at(-1);
    if (!next) {
      break;
    }
    at = next;
  }
  c.leaf = at.id;
}

/** The calls of a reply that have no result yet. */
export function openCalls(path: Message[]): ToolCall[] {
  const at = path.findLastIndex((m) => m.role === 'assistant');
  const reply = path[at];
  if (!reply?.calls || reply.finish !== 'tool_calls') {
    return [];
  }
  const answered = new Set(path.slice(at).filter((m) => m.role === 'tool').map((m) => m.callID));
  return reply.calls.filter((call) => !answered.has(call.id));
}

/** The same messages as a request has them. */
export function toRequest(path: Message[]): ChatMessage[] {
  const lastQuestion = path.findLastIndex((m) => m.role === 'user');
  const messages: ChatMessage[] = [];
  path.forEach((m, i) => {
    switch (m.role) {
      case 'user':
        messages.push({ role: 'user', content: textOf(m) });
        break;
      case 'tool':
        messages.push({ role: 'tool', content: m.content, tool_call_id: m.callID! });
        break;
      case 'assistant': {
        const calls = m.finish === 'tool_calls' && m.calls?.length ? m.calls : undefined;
        // What was thought counts only until the turn has its answer.
        const reasoning = calls && i > lastQuestion ? m.reasoning : undefined;
        if (m.content || calls) {
          messages.push({ role: 'assistant', content: m.content, ...(reasoning && { reasoning }), ...(calls && { tool_calls: calls }) });
        }
      }
    }
  });
  return messages;
}

/** What a request says besides its messages. */
export function toParams(o: Options, tools: FunctionTool[], firstOfTurn: boolean): Omit<ChatParams, 'messages'> {
  const params: Omit<ChatParams, 'messages'> = { reasoning_effort: o.effort };
  for (const [name, value] of Object.entries(o.sampling)) {
    if (value !== undefined) {
      Object.assign(params, { [name]: value });
    }
  }
  if (tools.length > 0) {
    params.tools = tools;
    // A call that is demanded is demanded once; the answer to its result is free.
    if (o.toolChoice !== 'auto' && firstOfTurn) {
      params.tool_choice = o.toolChoice === 'required' ? 'required' : { type: 'function', function: { name: o.toolChoice } };
    }
  }
  if (o.schema) {
    const schema = JSON.parse(o.schema) as Record<string, unknown>;
    params.response_format = { type: 'json_schema', json_schema: { name: formatName(schema['title']), strict: true, schema } };
  }
  return params;
}

/** The beginning of a schema. */
export const schemaExample = '{"type": "object", "properties": {…}}';

/** What is wrong with the text of a schema; empty: nothing. What the schema says is for the engine to judge. */
export function checkSchema(text: string): string {
  const { value, error } = parse(text);
  if (error) {
    return String(t('schemaNotJSON', { reason: error }));
  }
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? '' : String(t('schemaNoObject', { example: schemaExample }));
}

/**
 * Whether the answer of a reply that has ended follows the schema that went with the request: the engine makes it so. But a stop string
 * may have ended it, and where functions are offered the model may say something before it.
 */
export function followsSchema(m: Message, { response_format: format, stop }: Omit<ChatParams, 'messages'>): boolean {
  return format?.type === 'json_schema' && stop === undefined && m.finish === 'stop' && parse(m.content).error === '';
}

function parse(text: string): { value?: unknown; error: string } {
  try {
    return { value: JSON.parse(text), error: '' };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

/** A name for a schema, as requests allow one: the schema's title, or 'answer'. */
function formatName(title: unknown): string {
  return (typeof title === 'string' && title.replace(/\W+/g, '_').slice(0, 64)) || 'answer';
}

/** Tokens of a message beside its text: markers, role, channel. Rather too many than too few. */
const messageTokens = 10;
/** Tokens of what the model is told of itself. */
const systemTokens = 100;

/** Counts the tokens of texts. */
export type Count = (text: string) => Promise<number>;

/** How full the context is. */
export interface Fill {
  /** Tokens of what the model is shown, about. */
  used: number;
  /** Index in the branch of the first message that it is shown. */
  from: number;
}

/**
 * Chooses what the model is shown of a branch: the turns at its end that leave room for a reply. Turns are left out whole, the
 * oldest first; the last one never.
 */
export async function fit(path: Message[], o: Options, tools: FunctionTool[], context: number, count: Count): Promise<Fill> {
  const room = context - Math.min(o.sampling.max_completion_tokens ?? 2048, context >> 2);
  let used = systemTokens + (await count(o.instructions)) + (tools.length ? await count(JSON.stringify(tools)) : 0) + (await count(o.schema));
  const lastQuestion = path.findLastIndex((m) => m.role === 'user');
  let from = path.length;
  let turn = 0;
  for (let i = path.length - 1; i >= 0; i--) {
    const m = path[i]!;
    const calls = m.calls?.map((c) => `${c.function.name} ${c.function.arguments}`).join('\n') ?? '';
    const reasoning = m.calls && i > lastQuestion ? (m.reasoning ?? '') : '';
    turn += messageTokens * (1 + (m.calls?.length ?? 0)) + (await count(textOf(m))) + (await count(calls)) + (await count(reasoning));
    if (m.role === 'user') {
      if (from < path.length && used + turn > room) {
        break;
      }
      used += turn;
      turn = 0;
      from = i;
    }
  }
  return { used, from: Math.min(from, Math.max(lastQuestion, 0)) };
}
