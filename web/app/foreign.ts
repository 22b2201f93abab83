// Conversations of other programs: the exports of ChatGPT and Open WebUI. Nothing of a file is trusted: what has another shape than expected
// is left out, and what cannot be a conversation at all is refused in a sentence.

import { defaultOptions, newConversation, newID, show, titleOf, type Conversation, type Message } from './conversation.ts';
import { t } from './language.ts';

type Fields = Record<string, unknown>;

/** A message of another program. */
interface Node {
  id: string;
  parent: string | undefined;
  role: 'user' | 'assistant' | 'none';
  text: string;
  /** What was thought before what follows. */
  reasoning?: string | undefined;
  model?: string | undefined;
  /** Milliseconds since 1970. */
  created: number | undefined;
}

const fields = (v: unknown): Fields => (typeof v === 'object' && v !== null && !Array.isArray(v) ? (v as Fields) : {});
const list = (v: unknown): unknown[] => (Array.isArray(v) ? v : []);
const text = (v: unknown): string => (typeof v === 'string' ? v : '');
/** Milliseconds of a time in seconds or, where it is larger than any of those, in milliseconds. */
const time = (v: unknown): number | undefined => {
  const n = typeof v === 'number' && v > 0 ? (v < 1e11 ? v * 1000 : v) : NaN;
  return n < 8.64e15 ? Math.round(n) : undefined;
};

/** Reads a file of another program; undefined: it is none that is known. */
export function readForeign(data: unknown): Conversation[] | undefined {
  const all = Array.isArray(data) ? data : [data];
  const kinds = all.map((c) => ('mapping' in fields(c) ? 'chatgpt' : 'chat' in fields(c) ? 'openwebui' : undefined));
  if (!kinds.some((k) => k !== undefined)) {
    return undefined;
  }
  const conversations = all.flatMap((c, i) => {
    const read = kinds[i] === 'chatgpt' ? readChatGPT(fields(c)) : kinds[i] === 'openwebui' ? readOpenWebUI(fields(c)) : undefined;
    return read && read.messages.length > 0 ? [read] : [];
  });
  if (conversations.length === 0) {
    throw new Error(String(t('importEmpty')));
  }
  return conversations;
}

/** ChatGPT: a tree of nodes in mapping, of which current_node is the last one that is shown. */
function readChatGPT(from: Fields): Conversation {
  const instructions: string[] = [];
  const nodes = Object.entries(fields(from['mapping'])).map(([id, node]): Node => {
    const { message, parent } = fields(node);
    const m = fields(message), author = fields(m['author']), content = fields(m['content']), meta = fields(m['metadata']);
    const made: Node = { id, parent: typeof parent === 'string' ? parent : undefined, role: 'none', text: '', created: time(m['create_time']) };
    const kind = text(content['content_type']);
    const said = partsOf(content);
    if (kind === 'user_editable_context' || (author['role'] === 'system' && meta['is_user_system_message'] === true)) {
      instructions.push(...[text(content['user_profile']), text(content['user_instructions']), said].filter(Boolean));
    } else if (author['role'] === 'user' && meta['is_visually_hidden_from_conversation'] !== true) {
      return { ...made, role: 'user', text: said };
    } else if (author['role'] === 'assistant' && kind === 'thoughts') {
      const thoughts = list(content['thoughts']).map(fields).map((t) => [text(t['summary']), text(t['content'])].filter(Boolean).join('\n\n'));
      return { ...made, reasoning: thoughts.filter(Boolean).join('\n\n') };
    } else if (author['role'] === 'assistant' && kind !== 'reasoning_recap' && ['', 'all'].includes(text(m['recipient']))) {
      return { ...made, role: 'assistant', text: said, model: text(meta['model_slug']) || undefined };
    }
    return made; // of tools, hidden, or empty
  });
  return build(nodes, {
    title: text(from['title']), leaf: text(from['current_node']), created: time(from['create_time']), updated: time(from['update_time']),
    instructions: [...new Set(instructions)].join('\n\n'), pinned: from['is_starred'] === true,
  });
}

/** The text of a message of ChatGPT: images and the like are named. */
function partsOf(content: Fields): string {
  if (content['content_type'] === 'code' || content['content_type'] === 'execution_output') {
    return text(content['text']) && `\`\`\`\n${text(content['text'])}\n\`\`\``;
  }
  const parts = list(content['parts']).map((p) => (typeof p === 'string' ? p : text(fields(p)['text']) || named(fields(p))));
  return (parts.filter(Boolean).join('\n\n') || text(content['text'])).replace(/\ue200[^\ue201]*\ue201/g, ''); // marks of citations
}

function named(part: Fields): string {
  const kind = text(part['content_type']);
  return kind.includes('image') ? `[${t('image')}]` : kind.includes('audio') ? `[${t('audio')}]` : '';
}

/** Open WebUI: messages by their ids in chat.history, or older a list in chat.messages. */
function readOpenWebUI(from: Fields): Conversation {
  const chat = fields(from['chat']), history = fields(chat['history']);
  const listed = list(chat['messages']).map(fields);
  const byID = Object.entries(fields(history['messages'])).map(([id, m]): [string, Fields] => [id, fields(m)]);
  const idOf = (i: number) => text(listed[i]?.['id']) || `m${i}`;
  const messages = byID.length > 0 ? byID : listed.map((m, i): [string, Fields] => [idOf(i), { parentId: i > 0 ? idOf(i - 1) : null, ...m }]);
  const instructions = [text(fields(chat['params'])['system']), text(chat['system'])].filter(Boolean);
  const nodes = messages.map(([id, m]): Node => {
    const parent = typeof m['parentId'] === 'string' ? m['parentId'] : undefined;
    const made: Node = { id, parent, role: 'none', text: '', created: time(m['timestamp']) };
    const content = contentOf(m['content']);
    if (m['role'] === 'user') {
      return { ...made, role: 'user', text: content };
    }
    if (m['role'] === 'assistant') {
      return { ...made, role: 'assistant', ...withoutDetails(content), model: text(m['modelName']) || text(m['model']) || undefined };
    }
    if (m['role'] === 'system' && content) {
      instructions.push(content);
    }
    return made;
  });
  return build(nodes, {
    title: text(from['title']) || text(chat['title']), leaf: text(history['currentId']) || messages.at(-1)?.[0] || '',
    created: time(from['created_at']) ?? time(chat['timestamp']), updated: time(from['updated_at']),
    instructions: [...new Set(instructions)].join('\n\n'), pinned: from['pinned'] === true,
  });
}

/** The text of a message in OpenAI's forms. */
function contentOf(content: unknown): string {
  return typeof content === 'string' ? content : list(content).map((p) => text(fields(p)['text'])).filter(Boolean).join('\n\n');
}

/** Divides an answer of Open WebUI, which has what was thought, and calls of tools, in elements of HTML. */
function withoutDetails(content: string): { text: string; reasoning?: string } {
  const thoughts: string[] = [];
  let rest = '';
  let at = 0;
  for (;;) {
    const begin = content.indexOf('<details type="', at);
    const end = begin < 0 ? -1 : content.indexOf('</details>', begin);
    if (end < 0) {
      break;
    }
    rest += content.slice(at, begin);
    at = end + '</details>'.length;
    const element = content.slice(begin, end);
    if (element.startsWith('<details type="reasoning"')) {
      const body = element.slice(element.indexOf('>') + 1).replace(/^\s*<summary>[^<]*<\/summary>\s*/, '');
      thoughts.push(unescapeHTML(body.replace(/^&gt; ?|^> ?/gm, '')).trim());
    }
  }
  const reasoning = thoughts.filter(Boolean).join('\n\n');
  return { text: (rest + content.slice(at)).trim(), ...(reasoning && { reasoning }) };
}

function unescapeHTML(html: string): string {
  const characters: Record<string, string> = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#x27;': "'", '&#39;': "'", '&amp;': '&' };
  return html.replace(/&(?:lt|gt|quot|#x27|#39|amp);/g, (e) => characters[e]!);
}

interface About {
  title: string;
  /** Id of the last node that is shown. */
  leaf: string;
  created: number | undefined;
  updated: number | undefined;
  instructions: string;
  pinned: boolean;
}

/** Where a node is in the conversation that is made. */
interface Placed {
  /** The message that it became or, where it became none, the one before. */
  message: Message | undefined;
  reasoning?: string | undefined;
}

/** Makes a conversation of nodes. Those without text are left out; several of the assistant's in a row become one message. */
function build(nodes: Node[], about: About): Conversation {
  const now = Date.now();
  const c = newConversation({ ...defaultOptions, instructions: about.instructions });
  c.created = about.created ?? nodes.find((n) => n.created)?.created ?? now;
  const byID = new Map([...nodes].reverse().map((n) => [n.id, n])); // of several with one id the first
  const children = new Map<string, Node[]>();
  const roots: Node[] = [];
  for (const n of nodes.filter((n) => byID.get(n.id) === n)) {
    if (n.parent === undefined || !byID.has(n.parent)) {
      roots.push(n);
    } else {
      const siblings = children.get(n.parent);
      siblings ? siblings.push(n) : children.set(n.parent, [n]);
    }
  }
  const placed = new Map<string, Placed>();
  // Breadth first, so that no depth is too much. What is in a loop is never reached.
  for (let queue = roots; queue.length > 0; ) {
    const next: Node[] = [];
    for (const n of queue) {
      const before = n.parent === undefined ? undefined : placed.get(n.parent);
      placed.set(n.id, place(c, n, before, (children.get(n.parent ?? '')?.length ?? 0) < 2));
      for (const child of children.get(n.id) ?? []) {
        next.push(child);
      }
    }
    queue = next;
  }
  c.updated = about.updated ?? c.messages.at(-1)?.created ?? c.created;
  c.title = titleOf(about.title) || titleOf(c.messages.find((m) => m.role === 'user')?.content ?? '');
  const leaf = placed.get(about.leaf)?.message ?? c.messages.at(-1);
  if (leaf) {
    show(c, leaf);
  }
  if (about.pinned) {
    c.pinned = true;
  }
  return c;
}

function place(c: Conversation, n: Node, before: Placed | undefined, isOnly: boolean): Placed {
  const reasoning = [before?.reasoning, n.reasoning].filter(Boolean).join('\n\n');
  if (n.role === 'none' || n.text.trim() === '') {
    return { message: before?.message, reasoning };
  }
  const last = before?.message;
  if (n.role === 'assistant' && last?.role === 'assistant' && isOnly) {
    last.content += `\n\n${n.text}`;
    if (reasoning) {
      last.reasoning = [last.reasoning, reasoning].filter(Boolean).join('\n\n');
    }
    return { message: last };
  }
  const message: Message = { id: newID(), parent: last?.id ?? null, role: n.role, content: n.text, created: n.created ?? last?.created ?? c.created };
  if (n.role === 'assistant') {
    Object.assign(message, { finish: 'stop', ...(n.model && { model: n.model }), ...(reasoning && { reasoning }) });
  }
  c.messages.push(message);
  return { message };
}
