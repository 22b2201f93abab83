// The chat: puts the parts of the page together.

import { Chat } from './chat.ts';
import { branch, newConversation, show, type Conversation, type Effort, type Fill, type Message } from './conversation.ts';
import { announce, byId, h, icon, iconButton, pickFiles, saveFile, toast } from './dom.ts';
import { bytes, explain, LoadingCard, look, ModelDialog, nameOf, nano } from './models.ts';
import { ModelHost, type Choice } from './model.ts';
import { startOffline } from './offline.ts';
import { Panel } from './panel.ts';
import { checkAnswer, checkSchema } from './schema.ts';
import { Sidebar } from './sidebar.ts';
import { ConversationStore, loadSettings, saveSettings } from './store.ts';
import { Thread } from './thread.ts';
import * as transfer from './transfer.ts';

const settings = loadSettings();
const host = new ModelHost();
let store: ConversationStore;
let conversations: Conversation[] = [];
let current: Conversation;
/** How full the context is, by conversation. */
const fills = new Map<string, Fill>();

const text = byId<HTMLTextAreaElement>('text');
const scroller = byId('scroll');
const threadElement = byId('thread');

const thread = new Thread(threadElement, scroller, {
  edit: (m, question) => void chat.ask(current, question, m.parent),
  again: (m) => void chat.again(current, firstOfTurn(m)),
  show: (m) => {
    show(current, m);
    void showCurrent();
    save(current);
  },
  answer: (callID, result) => void chat.answer(current, callID, result),
  isRunning: () => chat.isRunning(current),
  waitingFor: () => (host.state.phase === 'ready' ? 'Reading' : 'Waiting for the model'),
  validate: (answer, schema) => (checkSchema(schema) ? ['the schema itself is wrong'] : checkAnswer(answer, schema)),
});

const chat = new Chat(host, settings, {
  changed: (c, m) => {
    saveSoon(c);
    if (c !== current) {
      return;
    }
    if (m.finish === undefined && m.role === 'assistant' && threadShows(m)) {
      thread.update(m);
    } else {
      void showCurrent();
    }
  },
  ended: (c, m) => {
    save(c);
    if (c === current) {
      void showCurrent();
    }
    if (m.finish === 'stop' || m.finish === 'length') {
      announce(`Answer: ${m.content.slice(0, 1000)}`);
    } else if (m.finish === 'error') {
      announce(m.error ?? 'The reply failed.');
    }
  },
  filled: (c, fill) => {
    fills.set(c.id, fill);
    if (c === current) {
      renderMeter();
    }
  },
  idle: (c) => {
    save(c);
    if (c === current) {
      void showCurrent();
    }
  },
});

/** The reply that began the turn of a message: to answer again is to begin the turn again. */
function firstOfTurn(m: Message): Message {
  const path = branch(current, m.id);
  return path[path.findLastIndex((p) => p.role === 'user') + 1] ?? m;
}

let shownIDs = new Set<string>();
const threadShows = (m: Message) => shownIDs.has(m.id);

/** Shows the conversation as it is now. */
async function showCurrent(): Promise<void> {
  const c = current;
  const path = branch(c);
  if (path.length === 0) {
    shownIDs.clear();
    threadElement.replaceChildren(host.state.phase === 'unsupported' ? explain(host.state.environment) : greeting());
  } else {
    await thread.show(c);
    if (c !== current) {
      return;
    }
    shownIDs = new Set(path.map((m) => m.id));
  }
  byId('title').textContent = c.title || 'New conversation';
  document.title = c.title ? `${c.title} · Gossamer` : 'Gossamer';
  renderComposer();
  renderMeter();
  sidebar.render(conversations, current);
}

/** What an empty conversation shows. */
function greeting(): HTMLElement {
  const isNano = host.state.phase === 'ready' || host.state.phase === 'loading' ? host.state.choice.name === nano.name : true;
  const ideas = isNano
    ? ['What is 17 + 25?', 'How many hours are in 3 days?', 'Who are you?'] // of what it has learnt
    : ['Explain why the sky is blue.', 'Plan a weekend in Lisbon.', 'Write a Go function that reverses a string.'];
  return h('section', { class: 'greeting' },
    h('h2', {}, 'What would you like to know?'),
    h('p', {}, isNano
      ? 'The built-in model is a miniature: it does sums, lists, simple logic and calls of functions, and knows next to nothing. For real answers, choose gpt-oss-20b above.'
      : 'The model runs in this tab, on this machine’s GPU.'),
    h('div', { class: 'ideas' }, ...ideas.map((idea) => h('button', { type: 'button', onclick: () => void send(idea) }, idea))));
}

// Saving.

const timers = new Map<string, ReturnType<typeof setTimeout>>();
let saveFailed = false;

function save(c: Conversation): void {
  clearTimeout(timers.get(c.id));
  timers.delete(c.id);
  if (c.messages.length === 0) {
    return;
  }
  if (!conversations.includes(c)) {
    conversations.unshift(c);
  }
  conversations.sort((a, b) => b.updated - a.updated);
  sidebar.render(conversations, current);
  store.save(c).catch((error: Error) => {
    if (!saveFailed) {
      saveFailed = true;
      toast(`The browser does not keep conversations: ${error.message}`, { error: true });
    }
  });
}

/** Saves while a reply is written, not too often. */
function saveSoon(c: Conversation): void {
  if (!timers.has(c.id)) {
    timers.set(c.id, setTimeout(() => save(c), 1000));
  }
}
addEventListener('pagehide', () => conversations.filter((c) => timers.has(c.id)).forEach(save));

// What another tab has changed meanwhile is shown when this one is looked at again.
document.addEventListener('visibilitychange', () => {
  if (document.hidden || !store || conversations.some((c) => chat.isRunning(c))) {
    return;
  }
  void store.list().then((kept) => {
    if (!store.lasting || timers.size > 0) {
      return;
    }
    conversations = kept.map((c) => (c.id === current.id && c.updated <= current.updated ? current : c));
    current = conversations.find((c) => c.id === current.id) ?? current;
    void showCurrent();
  });
});

// The composer.

const sendButton = h('button', { type: 'submit', class: 'send' });
const effort = h('select', { id: 'effort', 'aria-label': 'Reasoning effort', title: 'How long the model reasons', onchange: () => {
  current.options.effort = effort.value as Effort;
  optionsChanged();
} }, ...(['low', 'medium', 'high'] as const).map((e) => h('option', { value: e }, `${e[0]!.toUpperCase()}${e.slice(1)} effort`)));
const toolsButton = h('button', { type: 'button', class: 'chip', onclick: () => panel.show('tools') });
const formatButton = h('button', { type: 'button', class: 'chip', onclick: () => panel.show('format') });
const instructionsChip = h('button', { type: 'button', class: 'chip on', onclick: () => panel.show('reply') }, 'Instructions');
byId('composer-bar').append(effort, toolsButton, formatButton, instructionsChip, h('span', { class: 'spacer' }), sendButton);

function renderComposer(): void {
  const o = current.options;
  const running = chat.isRunning(current);
  effort.value = o.effort;
  const mode = running ? 'stop' : 'send';
  if (sendButton.dataset['mode'] !== mode) {
    sendButton.dataset['mode'] = mode;
    const label = running ? 'Stop' : 'Send';
    sendButton.replaceChildren(icon(mode));
    sendButton.setAttribute('aria-label', label);
    sendButton.title = label;
  }
  const renderChip = (button: HTMLButtonElement, on: boolean, name: 'tool' | 'braces', label: string) => {
    button.classList.toggle('on', on);
    button.replaceChildren(icon(name), h('span', {}, label));
  };
  renderChip(toolsButton, o.tools.length > 0, 'tool', o.tools.length > 0 ? `Tools: ${o.tools.length}` : 'Tools');
  renderChip(formatButton, o.schema !== '', 'braces', o.schema ? 'JSON' : 'Format');
  instructionsChip.hidden = o.instructions === '';
}

function optionsChanged(): void {
  settings.options = { ...structuredClone(current.options), instructions: '', schema: '' }; // those belong to one conversation
  saveSettings(settings);
  saveSoon(current);
  renderComposer();
}

function grow(): void {
  text.style.height = 'auto';
  text.style.height = `${Math.min(text.scrollHeight, innerHeight * 0.4)}px`;
}

async function send(question: string): Promise<void> {
  if (!question.trim() || chat.isRunning(current)) {
    return;
  }
  if (host.state.phase === 'none' || host.state.phase === 'unsupported' || host.state.phase === 'failed') {
    toast(host.state.phase === 'unsupported' ? 'This browser cannot run the model.' : 'No model is open: choose one first.', { error: true });
    return;
  }
  text.value = '';
  grow();
  thread.toEnd();
  const c = current;
  await chat.ask(c, question);
}

byId('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  if (chat.isRunning(current)) {
    chat.stop(current);
    text.focus();
  } else {
    void send(text.value);
  }
});
text.addEventListener('input', grow);
text.addEventListener('keydown', (event) => {
  // The Enter that ends a composition of an input method is not one that sends. Safari tells only by the code.
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
    event.preventDefault();
    void send(text.value);
  } else if (event.key === 'ArrowUp' && text.value === '' && !chat.isRunning(current)) {
    const edits = threadElement.querySelectorAll<HTMLElement>('.user [aria-label="Edit message"]');
    if (edits.length > 0) {
      event.preventDefault();
      edits[edits.length - 1]!.click();
    }
  }
});
addEventListener('keydown', (event) => {
  if (document.querySelector('dialog[open]')) {
    return;
  }
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test((event.target as HTMLElement).tagName);
  if (event.key === 'Escape' && chat.isRunning(current)) {
    chat.stop(current);
  } else if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    text.focus();
  } else if (event.code === 'KeyO' && event.shiftKey && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    startNew();
  }
});

// The context meter.

const meterBar = h('span', { class: 'meter-bar' }, h('span', {}));
const meterText = h('span', { class: 'meter-text' });
const meter = h('span', { class: 'meter', role: 'meter', 'aria-label': 'Context', 'aria-valuemin': '0', hidden: true }, meterBar, meterText);
byId('meter').append(meter);

function renderMeter(): void {
  const fill = fills.get(current.id);
  if (host.state.phase !== 'ready' || !fill || current.messages.length === 0) {
    meter.hidden = true;
    thread.setCut(0);
    return;
  }
  const { context } = host.state.engine.info;
  const left = branch(current).slice(0, fill.from).length;
  meter.hidden = false;
  meter.setAttribute('aria-valuemax', String(context));
  meter.setAttribute('aria-valuenow', String(Math.min(fill.used, context)));
  const share = Math.min(1, fill.used / context);
  (meterBar.firstElementChild as HTMLElement).style.width = `${Math.max(2, share * 100)}%`;
  meter.classList.toggle('full', left > 0);
  const words = `${fill.used.toLocaleString()} of ${context.toLocaleString()} tokens of context${left > 0 ? `; ${left} earlier messages are left out` : ''}`;
  meter.setAttribute('aria-valuetext', words);
  meter.title = `${words}. When it is full, the oldest turns are left out.`;
  meterText.textContent = `${fill.used.toLocaleString()} / ${context.toLocaleString()}`;
  thread.setCut(left > 0 ? fill.from : 0);
}

async function measure(): Promise<void> {
  const c = current;
  if (c.messages.length === 0 || chat.isRunning(c)) {
    return;
  }
  const fill = await chat.measure(c).catch(() => undefined);
  if (fill) {
    fills.set(c.id, fill);
    if (c === current) {
      renderMeter();
    }
  }
}

// Conversations.

function startNew(): void {
  current = newConversation(settings.options);
  void showCurrent();
  sidebar.close();
  text.focus();
}

function choose(c: Conversation): void {
  current = c;
  thread.toEnd();
  void showCurrent().then(measure);
  sidebar.close();
}

function remove(c: Conversation): void {
  chat.stop(c);
  conversations = conversations.filter((o) => o !== c);
  clearTimeout(timers.get(c.id));
  timers.delete(c.id);
  void store.remove(c.id);
  if (c === current) {
    startNew();
  } else {
    sidebar.render(conversations, current);
  }
  toast('The conversation is deleted.', { undo: () => (save(c), choose(c)) });
}

const fileName = (c: Conversation) => (c.title || 'conversation').replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-|-$/g, '').slice(0, 50).toLowerCase() || 'conversation';

async function importFiles(): Promise<void> {
  let last: Conversation | undefined;
  for (const file of await pickFiles({ accept: '.json,.md,.markdown,application/json,text/markdown', multiple: true })) {
    try {
      for (const c of transfer.read(await file.text())) {
        conversations.push(c);
        await store.save(c);
        last = c;
      }
    } catch (error) {
      toast(`${file.name}: ${(error as Error).message}`, { error: true });
    }
  }
  if (last) {
    conversations.sort((a, b) => b.updated - a.updated);
    choose(last);
    toast('Imported.');
  }
}

const sidebar = new Sidebar({
  choose, startNew, remove,
  rename: (c, title) => {
    c.title = title;
    save(c);
    void showCurrent();
  },
  exportMarkdown: (c) => saveFile(`${fileName(c)}.md`, 'text/markdown', transfer.toMarkdown(c)),
  exportJSON: (c) => saveFile(`${fileName(c)}.json`, 'application/json', transfer.toJSON([c])),
  importFiles: () => void importFiles(),
});

const panel = new Panel(byId<HTMLDialogElement>('panel'), settings, {
  conversation: () => current,
  changed: optionsChanged,
  exportAll: () => saveFile('conversations.json', 'application/json', transfer.toJSON(conversations)),
  deleteAll: () => {
    const before = conversations;
    conversations = [];
    void store.clear();
    startNew();
    toast('All conversations are deleted.', { undo: () => {
      conversations = before;
      before.forEach((c) => void store.save(c));
      sidebar.render(conversations, current);
    } });
  },
});
byId('settings-button').append(iconButton('settings', 'Settings', () => panel.show()));

// The model.

const modelButton = byId('model-button');
const models = new ModelDialog(byId<HTMLDialogElement>('models'), host, settings, (choice) => {
  settings.model = typeof choice.model === 'string' ? choice.model : '';
  saveSettings(settings);
  void host.open(choice);
});
modelButton.addEventListener('click', () => models.show());
new LoadingCard(byId('loading'), host, () => models.show());

function renderModel(): void {
  const { state } = host;
  const name = state.phase === 'none' || state.phase === 'unsupported' ? 'No model' : state.choice.name;
  let about = '';
  if (state.phase === 'ready') {
    const { weights, kv, scratch } = state.engine.info.memory;
    about = `${bytes(weights + kv + scratch)} of GPU memory${state.engine.info.verified ? '' : ' · not verified'}`;
  } else if (state.phase === 'loading') {
    about = state.paused ? 'paused' : 'loading';
  } else if (state.phase === 'failed') {
    about = 'failed';
  }
  const shown = `${name}, ${about}`;
  if (modelButton.dataset['shown'] !== shown) {
    modelButton.dataset['shown'] = shown;
    modelButton.replaceChildren(icon('chip'), h('span', { class: 'sr-only' }, 'Model: '),
      h('span', { class: 'model-name' }, h('strong', {}, name), ' ', h('span', {}, about)), icon('down'));
  }
}

let lastPhase = '';
host.addEventListener('change', () => {
  renderModel();
  const { phase } = host.state;
  if (phase !== lastPhase) {
    lastPhase = phase;
    if (phase === 'ready') {
      announce('The model is ready.');
      void measure();
      void startOffline(); // now, so that it does not compete with the model for the connection
    }
    void showCurrent();
  }
});
host.addEventListener('notice', (event) => {
  const { kind, message } = (event as CustomEvent<{ kind: string; message: string }>).detail;
  if (kind === 'software-adapter') {
    byId('hint').textContent = message;
  } else if (kind !== 'not-verified') { // the model's button says that
    toast(message);
  }
});

/** The model of the last visit, if it is there at once; else the built-in one. */
function firstChoice(): Choice {
  const asked = new URLSearchParams(location.search).get('model');
  const url = asked ?? (settings.model || nano.url);
  return { model: url, name: nameOf(url), context: settings.context, store: true };
}

async function start(): Promise<void> {
  current = newConversation(settings.options);
  lastPhase = host.state.phase;
  renderModel();
  renderComposer();
  threadElement.replaceChildren(greeting());
  byId('sidebar-open').append(iconButton('menu', 'Show conversations', () => sidebar.open(), { id: 'menu' }));
  const looking = look();
  store = await ConversationStore.open();
  conversations = await store.list().catch(() => []);
  if (!store.lasting) {
    toast('This window keeps nothing: export what you want to keep.');
  }
  sidebar.render(conversations, current);
  const environment = await looking;
  if (!environment.ok) {
    host.refuse(environment);
    void startOffline();
    void showCurrent();
  } else {
    void host.open(firstChoice());
  }
  void import('./markdown.ts'); // for the first reply
}

void start();
