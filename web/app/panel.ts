// The settings of a conversation and of the app, in a sheet at the side.

import type { Sheet } from './address.ts';
import { makeTabs } from './tabs.ts';
import { checkSchema, defaultOptions, type Conversation, type Effort, type Options, type Sampling } from './conversation.ts';
import { h, icon, iconButton } from './dom.ts';
import { t } from './language.ts';
import { languages } from './languages.ts';
import { presetField } from './presets.ts';
import { saveSettings, type Settings, type UserFunction } from './settings.ts';
import { toast } from './toast.ts';
import { builtIns, checkFunction } from './tools.ts';
import { put, type Said, type Words } from './words.ts';

export interface PanelActions {
  conversation(): Conversation;
  /** Options of the conversation have changed. */
  changed(): void;
  /** Why the engine has refused a schema of answers; undefined: it has not. */
  refusal(schema: string): string | undefined;
  /** The visitor has chosen a tab. */
  shown(tab: Tab): void;
  /** The visitor has chosen a language. */
  languageChosen(language: Settings['language']): void;
  exportAll(): Promise<void>;
  deleteAll(): void;
}

/** Numbers of the sampling settings: name, what it does, least, most, step. */
const numbers: [keyof Sampling, Words, Words, number, number, number][] = [
  ['temperature', t('temperature'), t('temperatureHelp'), 0, 2, 0.1],
  ['top_p', t('topP'), t('topPHelp'), 0, 1, 0.05],
  ['top_k', t('topK'), t('topKHelp'), 0, 1000, 1],
  ['min_p', t('minP'), t('minPHelp'), 0, 1, 0.01],
  ['repetition_penalty', t('repetitionPenalty'), t('repetitionPenaltyHelp'), 0.01, 5, 0.05],
  ['presence_penalty', t('presencePenalty'), t('presencePenaltyHelp'), -2, 2, 0.1],
  ['frequency_penalty', t('frequencyPenalty'), t('frequencyPenaltyHelp'), -2, 2, 0.1],
  ['seed', t('seed'), t('seedHelp'), 0, 2 ** 31 - 1, 1],
  ['max_completion_tokens', t('longestReply'), t('longestReplyHelp'), 1, 131072, 1],
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
    const { list, show } = makeTabs<Tab>([['reply', t('tabReplies')], ['tools', t('tabTools')], ['format', t('tabFormat')], ['app', t('tabApp')]], this.pages, actions.shown);
    this.tabs = { show };
    dialog.append(
      h('div', { class: 'sheet-head' }, h('h2', { id: 'panel-title' }, t('settings')), iconButton('close', t('close'), () => dialog.close())),
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
      ...(['low', 'medium', 'high'] as const).map((e) => h('option', { value: e, selected: e === o.effort }, t(e))));
    const instructions = h('textarea', { id: 'instructions', rows: '5', dir: 'auto', value: o.instructions, placeholder: t('systemPromptHelp'), oninput: () => { o.instructions = instructions.value; this.actions.changed(); } });
    const stop = h('textarea', { id: 'stop', rows: '2', dir: 'auto', value: (o.sampling.stop ?? []).join('\n'), oninput: () => {
      const stops = stop.value.split('\n').filter((s) => s !== '').slice(0, 16);
      o.sampling.stop = stops.length > 0 ? stops : undefined;
      this.actions.changed();
    } });
    this.pages.reply.replaceChildren(
      h('p', { class: 'muted' }, t('forConversation')),
      h('div', { class: 'field' }, h('label', { for: 'effort-setting' }, t('effortSetting')), effort),
      h('div', { class: 'field' }, h('label', { for: 'instructions' }, t('systemPrompt')), instructions),
      presetField(this.settings, instructions, (prompt) => { o.instructions = prompt; this.actions.changed(); }),
      h('h3', {}, t('sampling')),
      ...numbers.map(([name, label, help, min, max, step]) => {
        const input = h('input', { type: 'number', id: `s-${name}`, min, max, step: name === 'repetition_penalty' ? 'any' : step, placeholder: t('defaultValue'), value: String(o.sampling[name] ?? ''), 'aria-describedby': `h-${name}`, oninput: () => {
          const valid = input.value !== '' && input.checkValidity();
          input.setAttribute('aria-invalid', String(input.value !== '' && !valid));
          Object.assign(o.sampling, { [name]: valid ? Number(input.value) : undefined });
          this.actions.changed();
        } });
        return h('div', { class: 'field inline' }, h('label', { for: `s-${name}` }, label, h('span', { class: 'muted', id: `h-${name}` }, help)), input);
      }),
      h('div', { class: 'field' }, h('label', { for: 'stop' }, t('stopStrings')), stop),
      h('button', { type: 'button', onclick: () => {
        const before = structuredClone(o);
        Object.assign(o, structuredClone(defaultOptions), { tools: o.tools, toolChoice: o.toolChoice, schema: o.schema });
        this.actions.changed();
        this.renderReply();
        toast(t('defaultsBack'), { undo: () => {
          Object.assign(o, before);
          this.actions.changed();
          this.renderReply();
        } });
      } }, t('resetDefaults')));
  }

  private renderTools(): void {
    const o = this.options;
    const all = [...builtIns.map((b) => ({ name: b.tool.function.name, about: b.title as Said, own: undefined as UserFunction | undefined })),
      ...this.settings.functions.map((f) => ({ name: f.name, about: f.description || t('toolOwn'), own: f as UserFunction | undefined }))];
    const choice = h('select', { id: 'tool-choice', onchange: () => { o.toolChoice = choice.value; this.actions.changed(); } },
      h('option', { value: 'auto' }, t('toolAuto')), h('option', { value: 'required', selected: o.toolChoice === 'required' }, t('toolRequired')),
      ...o.tools.map((name) => h('option', { value: name, selected: o.toolChoice === name }, t('toolAlways', { name }))));
    this.pages.tools.replaceChildren(
      h('p', { class: 'muted' }, t('toolsHelp')),
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
          own && iconButton('edit', t('editTool', { name }), () => this.editFunction(own)),
          own && iconButton('trash', t('deleteTool', { name }), () => this.deleteFunction(own)));
      })),
      h('div', { class: 'field' }, h('label', { for: 'tool-choice' }, t('toolUse')), choice),
      this.editor);
    this.editFunction();
  }

  private readonly editor = h('div', {});

  /** The form for one of the visitor's own functions. */
  private editFunction(own?: UserFunction): void {
    const name = h('input', { type: 'text', id: 'f-name', dir: 'ltr', value: own?.name ?? '', autocomplete: 'off', spellcheck: 'false', placeholder: 'get_weather' });
    const description = h('input', { type: 'text', id: 'f-description', dir: 'auto', value: own?.description ?? '', autocomplete: 'off', placeholder: t('toolDescriptionExample') });
    const parameters = h('textarea', { id: 'f-parameters', class: 'code', dir: 'ltr', rows: '8', spellcheck: 'false', value: own?.parameters ?? exampleParameters });
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
      toast(t('toolAdded', { name: f.name }));
    };
    this.editor.replaceChildren(h('form', { class: 'function', onsubmit: save },
      h('h3', {}, own ? t('editTool', { name: own.name }) : t('toolNew')),
      h('div', { class: 'field' }, h('label', { for: 'f-name' }, t('toolName')), name),
      h('div', { class: 'field' }, h('label', { for: 'f-description' }, t('toolDescription')), description),
      h('div', { class: 'field' }, h('label', { for: 'f-parameters' }, t('toolParameters')), parameters),
      problem, h('button', { type: 'submit' }, t(own ? 'toolSave' : 'toolAdd'))));
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
    toast(t('toolDeleted', { name: f.name }), { undo: () => set({ functions, tools, toolChoice }) });
  }

  private renderFormat(): void {
    const o = this.options;
    const box = h('textarea', { id: 'schema', class: 'code', dir: 'ltr', rows: '14', spellcheck: 'false', value: o.schema, placeholder: exampleSchema });
    const status = h('p', { role: 'status' });
    const show = (wrong: string) => {
      box.setAttribute('aria-invalid', String(wrong !== ''));
      status.className = wrong ? 'error' : o.schema ? 'valid' : 'muted';
      put(status, 'text', wrong || t(o.schema ? 'answersFollow' : 'answersFree'));
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
      h('p', { class: 'muted' }, t('formatHelp')),
      h('div', { class: 'field' }, h('label', { for: 'schema' }, t('schema')), box),
      status,
      h('div', { class: 'row' },
        h('button', { type: 'button', onclick: () => { box.value = exampleSchema; check(); } }, t('example')),
        h('button', { type: 'button', onclick: () => { box.value = ''; check(); } }, t('freeText'))));
    show(this.actions.refusal(o.schema) ?? '');
  }

  private renderApp(): void {
    const theme = h('select', { id: 'theme', onchange: () => {
      this.settings.theme = theme.value as Settings['theme'];
      saveSettings(this.settings);
      applyTheme(this.settings);
    } }, ...(['system', 'light', 'dark'] as const).map((value) => h('option', { value, selected: value === this.settings.theme }, t(value))));
    const language = h('select', { id: 'language', onchange: () => this.actions.languageChosen(language.value as Settings['language']) },
      h('option', { value: 'system' }, t('system')),
      ...Object.entries(languages).map(([value, name]) => h('option', { value, lang: value, selected: value === this.settings.language }, name)));
    const titles = h('input', { type: 'checkbox', id: 'titles', checked: this.settings.titles, onchange: () => {
      this.settings.titles = titles.checked;
      saveSettings(this.settings);
    } });
    this.pages.app.replaceChildren(
      h('div', { class: 'field' }, h('label', { for: 'language' }, t('language')), language),
      h('div', { class: 'field' }, h('label', { for: 'theme' }, t('theme')), theme),
      h('label', { class: 'check' }, titles, h('span', {}, t('titlesByModel'), h('span', { class: 'muted' }, t('titlesByModelHelp')))),
      h('h3', {}, t('keyboard')),
      h('dl', { class: 'keys' }, ...([
        ['Enter', t('keyEnter')], ['Esc', t('keyEscape')], ['↑', t('keyUp')], ['Ctrl+Shift+O', t('keyNew')], ['Ctrl+K', t('keySearch')], ['/', t('keySlash')],
      ] as [string, Words][]).flatMap(([key, what]) => [h('dt', {}, h('kbd', { dir: 'ltr' }, key)), h('dd', {}, what)])),
      h('h3', {}, t('data')),
      h('p', {}, t('dataHelp')),
      h('div', { class: 'row' },
        h('button', { type: 'button', onclick: () => void this.actions.exportAll() }, icon('download'), t('exportAll')),
        h('button', { type: 'button', class: 'danger', onclick: () => { this.dialog.close(); this.actions.deleteAll(); } }, icon('trash'), t('deleteAll'))));
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
