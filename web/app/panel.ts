// The settings of a conversation and of the app, in a sheet at the side.

import type { Sheet } from './address.ts';
import { makeTabs } from './tabs.ts';
import { checkSchema, defaultOptions, type Conversation, type Effort, type Options, type Sampling } from './conversation.ts';
import { h, icon, iconButton } from './dom.ts';
import { presetField } from './presets.ts';
import { saveSettings, type Settings, type UserFunction } from './settings.ts';
import { toast } from './toast.ts';
import { builtIns, checkFunction } from './tools.ts';

export interface PanelActions {
  conversation(): Conversation;
  /** Options of the conversation have changed. */
  changed(): void;
  /** Why the engine has refused a schema of answers; undefined: it has not. */
  refusal(schema: string): string | undefined;
  /** The visitor has chosen a tab. */
  shown(tab: Tab): void;
  exportAll(): Promise<void>;
  deleteAll(): void;
}

/** Numbers of the sampling settings: name, what it does, least, most, step. */
const numbers: [keyof Sampling, string, string, number, number, number][] = [
  ['temperature', 'Temperature', '0 always takes the likeliest token; the default is 1', 0, 2, 0.1],
  ['top_p', 'Top-p', 'Draws from the likeliest tokens that together have this probability', 0, 1, 0.05],
  ['top_k', 'Top-k', 'Draws from so many tokens; 0: all', 0, 1000, 1],
  ['min_p', 'Min-p', 'Leaves out tokens this much less likely than the likeliest', 0, 1, 0.01],
  ['repetition_penalty', 'Repetition penalty', 'Above 1 makes repetitions rarer', 0.01, 5, 0.05],
  ['presence_penalty', 'Presence penalty', 'Above 0 favours tokens that were not there yet', -2, 2, 0.1],
  ['frequency_penalty', 'Frequency penalty', 'Above 0 makes a token the rarer the more often it was there', -2, 2, 0.1],
  ['seed', 'Seed', 'The same seed gives the same reply on this device', 0, 2 ** 31 - 1, 1],
  ['max_completion_tokens', 'Longest reply, in tokens', 'Reasoning included', 1, 131072, 1],
];

const exampleSchema = JSON.stringify({ type: 'object', properties: { name: { type: 'string' }, age: { type: 'integer' } }, required: ['name', 'age'], additionalProperties: false }, null, 2);
const exampleParameters = JSON.stringify({ type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }, null, 2);

export type Tab = Exclude<Sheet, 'models'>;

export class Panel {
  private readonly dialog: HTMLDialogElement;
  private readonly settings: Settings;
  private readonly actions: PanelActions;
  private readonly tabs: { show(tab: Tab): void };
  private readonly pages: Record<Tab, HTMLElement> = { reply: h('div'), tools: h('div'), format: h('div'), app: h('div') };

  constructor(dialog: HTMLDialogElement, settings: Settings, actions: PanelActions) {
    [this.dialog, this.settings, this.actions] = [dialog, settings, actions];
    const { list, show } = makeTabs<Tab>([['reply', 'Replies'], ['tools', 'Tools'], ['format', 'Format'], ['app', 'App']], this.pages, actions.shown);
    this.tabs = { show };
    dialog.append(
      h('div', { class: 'sheet-head' }, h('h2', { id: 'panel-title' }, 'Settings'), iconButton('close', 'Close', () => dialog.close())),
      list, h('div', { class: 'sheet-body' }, ...Object.values(this.pages)));
  }

  show(tab: Tab = 'reply'): void {
    this.renderReply();
    this.renderTools();
    this.renderFormat();
    this.renderApp();
    this.tabs.show(tab);
    if (!this.dialog.open) {
      this.dialog.showModal();
    }
  }

  private get options() {
    return this.actions.conversation().options;
  }

  private renderReply(): void {
    const o = this.options;
    const effort = h('select', { id: 'effort-setting', onchange: () => { o.effort = effort.value as Effort; this.actions.changed(); } },
      ...(['low', 'medium', 'high'] as const).map((e) => h('option', { value: e, selected: e === o.effort }, e)));
    const instructions = h('textarea', { id: 'instructions', rows: '5', dir: 'auto', value: o.instructions, placeholder: 'How to answer, and what about', oninput: () => { o.instructions = instructions.value; this.actions.changed(); } });
    const stop = h('textarea', { id: 'stop', rows: '2', value: (o.sampling.stop ?? []).join('\n'), oninput: () => {
      const stops = stop.value.split('\n').filter((s) => s !== '').slice(0, 16);
      o.sampling.stop = stops.length > 0 ? stops : undefined;
      this.actions.changed();
    } });
    this.pages.reply.replaceChildren(
      h('p', { class: 'muted' }, 'For this conversation, and for new ones.'),
      h('div', { class: 'field' }, h('label', { for: 'effort-setting' }, 'Effort: how long the model reasons'), effort),
      h('div', { class: 'field' }, h('label', { for: 'instructions' }, 'System prompt'), instructions),
      presetField(this.settings, instructions, (prompt) => { o.instructions = prompt; this.actions.changed(); }),
      h('h3', {}, 'Sampling'),
      ...numbers.map(([name, label, help, min, max, step]) => {
        const input = h('input', { type: 'number', id: `s-${name}`, min, max, step: name === 'repetition_penalty' ? 'any' : step, placeholder: 'default', value: String(o.sampling[name] ?? ''), 'aria-describedby': `h-${name}`, oninput: () => {
          const valid = input.value !== '' && input.checkValidity();
          input.setAttribute('aria-invalid', String(input.value !== '' && !valid));
          Object.assign(o.sampling, { [name]: valid ? Number(input.value) : undefined });
          this.actions.changed();
        } });
        return h('div', { class: 'field inline' }, h('label', { for: `s-${name}` }, label, h('span', { class: 'muted', id: `h-${name}` }, help)), input);
      }),
      h('div', { class: 'field' }, h('label', { for: 'stop' }, 'Stop before any of these, one a line'), stop),
      h('button', { type: 'button', onclick: () => {
        const before = structuredClone(o);
        Object.assign(o, structuredClone(defaultOptions), { tools: o.tools, toolChoice: o.toolChoice, schema: o.schema });
        this.actions.changed();
        this.renderReply();
        toast('The defaults are back.', { undo: () => {
          Object.assign(o, before);
          this.actions.changed();
          this.renderReply();
        } });
      } }, 'Reset to defaults'));
  }

  private renderTools(): void {
    const o = this.options;
    const all = [...builtIns.map((b) => ({ name: b.tool.function.name, about: b.title, own: undefined as UserFunction | undefined })),
      ...this.settings.functions.map((f) => ({ name: f.name, about: f.description || 'Your own: you write its results', own: f as UserFunction | undefined }))];
    const choice = h('select', { id: 'tool-choice', onchange: () => { o.toolChoice = choice.value; this.actions.changed(); } },
      h('option', { value: 'auto' }, 'Auto'), h('option', { value: 'required', selected: o.toolChoice === 'required' }, 'Required'),
      ...o.tools.map((name) => h('option', { value: name, selected: o.toolChoice === name }, `Always ${name}`)));
    this.pages.tools.replaceChildren(
      h('p', { class: 'muted' }, 'Functions that the model may call. JavaScript runs in a sandbox without network, storage or access to this page.'),
      h('ul', { class: 'tools' }, ...all.map(({ name, about, own }) => {
        const box = h('input', { type: 'checkbox', id: `tool-${name}`, checked: o.tools.includes(name), onchange: () => {
          o.tools = box.checked ? [...o.tools, name] : o.tools.filter((t) => t !== name);
          if (!o.tools.includes(o.toolChoice) && o.toolChoice !== 'required' || o.tools.length === 0) {
            o.toolChoice = 'auto';
          }
          this.actions.changed();
          this.renderTools();
          document.getElementById(`tool-${name}`)?.focus();
        } });
        return h('li', {}, h('label', { class: 'check' }, box, h('span', {}, h('strong', {}, name), h('span', { class: 'muted' }, about))),
          own && iconButton('edit', `Edit ${name}`, () => this.editFunction(own)),
          own && iconButton('trash', `Delete ${name}`, () => this.deleteFunction(own)));
      })),
      h('div', { class: 'field' }, h('label', { for: 'tool-choice' }, 'Tool use'), choice),
      this.editor);
    this.editFunction();
  }

  private readonly editor = h('div', {});

  /** The form for one of the visitor's own functions. */
  private editFunction(own?: UserFunction): void {
    const name = h('input', { type: 'text', id: 'f-name', value: own?.name ?? '', autocomplete: 'off', spellcheck: 'false', placeholder: 'get_weather' });
    const description = h('input', { type: 'text', id: 'f-description', value: own?.description ?? '', autocomplete: 'off', placeholder: 'Get the weather of a city.' });
    const parameters = h('textarea', { id: 'f-parameters', class: 'code', rows: '8', spellcheck: 'false', value: own?.parameters ?? exampleParameters });
    const problem = h('p', { class: 'error', role: 'alert', hidden: true });
    const save = (e: Event) => {
      e.preventDefault();
      const f: UserFunction = { name: name.value.trim(), description: description.value.trim(), parameters: parameters.value };
      const others = this.settings.functions.filter((o) => o !== own);
      const wrong = checkFunction(f, others);
      problem.hidden = wrong === '';
      problem.textContent = wrong;
      if (wrong) {
        return;
      }
      const o = this.options;
      this.settings.functions = [...others, f];
      o.tools = [...o.tools.filter((t) => t !== own?.name && t !== f.name), f.name];
      saveSettings(this.settings);
      this.actions.changed();
      this.renderTools();
      toast(`${f.name} is there for the model to call.`);
    };
    this.editor.replaceChildren(h('form', { class: 'function', onsubmit: save },
      h('h3', {}, own ? `Edit ${own.name}` : 'A function of your own'),
      h('div', { class: 'field' }, h('label', { for: 'f-name' }, 'Name'), name),
      h('div', { class: 'field' }, h('label', { for: 'f-description' }, 'What it does'), description),
      h('div', { class: 'field' }, h('label', { for: 'f-parameters' }, 'Parameters, a JSON schema'), parameters),
      problem, h('button', { type: 'submit' }, own ? 'Save function' : 'Add function')));
    if (own) {
      name.focus();
    }
  }

  private deleteFunction(f: UserFunction): void {
    const o = this.options;
    const [functions, tools, toolChoice] = [this.settings.functions, o.tools, o.toolChoice];
    const set = (change: Pick<Settings, 'functions'> & Pick<Options, 'tools' | 'toolChoice'>) => {
      this.settings.functions = change.functions;
      Object.assign(o, { tools: change.tools, toolChoice: change.toolChoice });
      saveSettings(this.settings);
      this.actions.changed();
      this.renderTools();
    };
    set({ functions: functions.filter((g) => g !== f), tools: tools.filter((t) => t !== f.name), toolChoice: toolChoice === f.name ? 'auto' : toolChoice });
    toast(`${f.name} is deleted.`, { undo: () => set({ functions, tools, toolChoice }) });
  }

  private renderFormat(): void {
    const o = this.options;
    const box = h('textarea', { id: 'schema', class: 'code', rows: '14', spellcheck: 'false', value: o.schema, placeholder: exampleSchema });
    const status = h('p', { role: 'status' });
    const show = (wrong: string) => {
      box.setAttribute('aria-invalid', String(wrong !== ''));
      status.className = wrong ? 'error' : o.schema ? 'valid' : 'muted';
      status.textContent = wrong || (o.schema ? 'Answers follow this schema.' : 'Answers are free text.');
    };
    const check = () => {
      const schema = box.value.trim();
      const wrong = schema && checkSchema(schema);
      o.schema = wrong ? '' : schema;
      show(wrong || (this.actions.refusal(schema) ?? ''));
      this.actions.changed();
    };
    box.addEventListener('input', check);
    this.pages.format.replaceChildren(
      h('p', { class: 'muted' },
        'Paste a JSON schema to get JSON. The model is shown the schema and can write nothing else. A schema that cannot be enforced as a whole is refused when you ask.'),
      h('div', { class: 'field' }, h('label', { for: 'schema' }, 'JSON schema of answers'), box),
      status,
      h('div', { class: 'row' },
        h('button', { type: 'button', onclick: () => { box.value = exampleSchema; check(); } }, 'Example'),
        h('button', { type: 'button', onclick: () => { box.value = ''; check(); } }, 'Free text')));
    show(this.actions.refusal(o.schema) ?? '');
  }

  private renderApp(): void {
    const theme = h('select', { id: 'theme', onchange: () => {
      this.settings.theme = theme.value as Settings['theme'];
      saveSettings(this.settings);
      applyTheme(this.settings);
    } }, ...([['system', 'System'], ['light', 'Light'], ['dark', 'Dark']] as const).map(([value, text]) => h('option', { value, selected: value === this.settings.theme }, text)));
    this.pages.app.replaceChildren(
      h('div', { class: 'field' }, h('label', { for: 'theme' }, 'Theme'), theme),
      h('h3', {}, 'Keyboard'),
      h('dl', { class: 'keys' }, ...[
        ['Enter', 'sends, Shift+Enter begins a line'], ['Esc', 'stops the reply'], ['↑', 'in the empty box edits your last message'],
        ['Ctrl+Shift+O', 'begins a conversation'], ['Ctrl+K', 'searches conversations'], ['/', 'goes to the message box'],
      ].flatMap(([key, what]) => [h('dt', {}, h('kbd', {}, key)), h('dd', {}, what)])),
      h('h3', {}, 'Data'),
      h('p', {}, 'Conversations, settings and models are kept in this browser only. The page sends nothing anywhere; it fetches a model’s files from the host that you choose, and those tell that host no more than any download does.'),
      h('div', { class: 'row' },
        h('button', { type: 'button', onclick: () => void this.actions.exportAll() }, icon('download'), 'Export all conversations'),
        h('button', { type: 'button', class: 'danger', onclick: () => { this.dialog.close(); this.actions.deleteAll(); } }, icon('trash'), 'Delete all conversations')));
  }
}

export function applyTheme(settings: Settings): void {
  const root = document.documentElement;
  if (settings.theme === 'system') {
    delete root.dataset['theme'];
  } else {
    root.dataset['theme'] = settings.theme;
  }
}
