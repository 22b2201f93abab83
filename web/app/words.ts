// Words on the page that change with the language: they are written where they are shown, and again when another language is chosen.

/** Words that are written when they are needed, in the language of that moment. */
export class Words {
  private readonly write: () => string;

  constructor(write: () => string) {
    this.write = write;
  }

  toString(): string {
    return this.write();
  }
}

/** What can be shown: words, or what is the same in every language, such as names. */
export type Said = Words | string;

/** Text that goes its own way within a page from right to left, as names of models do. */
export function isolated(text: string): string {
  return globalThis.document?.dir === 'rtl' ? `\u2068${text}\u2069` : text;
}

/** Words of several parts, those that are there. */
export function joined(parts: (Said | undefined | false)[], between: Said): Words {
  return new Words(() => parts.filter((p) => p !== undefined && p !== false).map((p) => (p instanceof Words ? String(p) : p && isolated(p))).filter(Boolean).join(String(between)));
}

/** What each node shows, by the property or attribute. */
const shown = new WeakMap<Node, Map<string, Words>>();
/** All of these nodes, also those that are not in the page at the moment. */
let nodes: WeakRef<Node>[] = [];
/** So many may be there before those that are gone are left out. */
let limit = 1000;

/** Shows words as the text of a node or as an attribute of an element, now and in any language that is chosen later. */
export function put(node: Node, name: 'text' | (string & {}), words: Said): void {
  let parts = shown.get(node);
  if (words instanceof Words) {
    if (!parts) {
      shown.set(node, (parts = new Map()));
      remember(node);
    }
    parts.set(name, words);
  } else {
    parts?.delete(name);
  }
  write(node, name, String(words));
}

/** A text node that shows words. */
export function textOf(words: Words): Text {
  const node = document.createTextNode('');
  put(node, 'text', words);
  return node;
}

function write(node: Node, name: string, text: string): void {
  if (name === 'text') {
    node.textContent = text;
  } else {
    (node as Element).setAttribute(name, text);
  }
}

function remember(node: Node): void {
  if (nodes.length >= limit) {
    nodes = nodes.filter((ref) => ref.deref());
    limit = Math.max(1000, 2 * nodes.length);
  }
  nodes.push(new WeakRef(node));
}

/** Writes everything that is shown again. */
export function rewrite(): void {
  for (const ref of nodes) {
    const node = ref.deref();
    node && shown.get(node)?.forEach((words, name) => write(node, name, String(words)));
  }
}
