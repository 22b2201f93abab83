// System prompts by name: some that the page brings, and the visitor's own.

import { h } from './dom.ts';
import { saveSettings, type Preset, type Settings } from './settings.ts';
import { toast } from './toast.ts';

const builtIns: Preset[] = [
  { name: 'Brief', prompt: 'Answer in as few words as the question allows. No introduction, no summary.' },
  { name: 'Step by step', prompt: 'Explain step by step, in plain words, and give a small example for each step.' },
  { name: 'Proofreader',
    prompt: 'Correct spelling, grammar and punctuation of what I write. Reply with the corrected text, then list the changes and why.' },
  { name: 'Translator',
    prompt: 'Translate what I write into English; translate English into the language that I name first. Reply with the translation only.' },
  { name: 'Code review',
    prompt: 'Review the code that I paste: bugs first, then unclear parts, then style. Quote each line that you mean, and correct it.' },
];

/** Chooses, saves and deletes presets for the system prompt that is in box. */
export function presetField(settings: Settings, box: HTMLTextAreaElement, use: (prompt: string) => void): HTMLElement {
  const name = h('input', { type: 'text', id: 'preset-name', maxlength: '60', autocomplete: 'off', placeholder: 'Name of the preset' });
  const choice = h('select', { id: 'preset' });
  const save = h('button', { type: 'button', onclick: () => open(true) }, 'Save as preset');
  const remove = h('button', { type: 'button', class: 'danger', onclick: () => removeChosen() }, 'Delete preset');
  const row = h('div', { class: 'row' }, save, remove);
  const form = h('form', { class: 'row preset', hidden: true, onsubmit: (e: Event) => (e.preventDefault(), add()), onkeydown: (e: KeyboardEvent) => {
    if (e.key === 'Escape') {
      e.preventDefault(); // it would close the sheet
      e.stopPropagation();
      open(false);
    }
  } }, h('label', { class: 'sr-only', for: 'preset-name' }, 'Name of the preset'), name,
  h('button', { type: 'submit', class: 'primary' }, 'Save'), h('button', { type: 'button', onclick: () => open(false) }, 'Cancel'));

  const render = () => {
    const all = [...settings.presets, ...builtIns];
    const chosen = all.find((p) => p.prompt === box.value);
    const options = (presets: Preset[]) => presets.map((p) => h('option', { value: p.name, selected: p === chosen }, p.name));
    choice.replaceChildren(h('option', { value: '', selected: !chosen }, box.value ? 'None: your own words' : 'None'),
      ...(settings.presets.length > 0 ? [group('Yours', options(settings.presets))] : []), group('Built in', options(builtIns)));
    save.hidden = box.value.trim() === '' || chosen !== undefined;
    remove.hidden = !chosen || !settings.presets.includes(chosen);
  };
  const open = (opened: boolean) => {
    form.hidden = !opened;
    row.hidden = opened;
    (opened ? name : save.hidden ? choice : save).focus();
  };
  const keep = (presets: Preset[]) => {
    settings.presets = presets;
    saveSettings(settings);
    render();
  };
  const add = () => {
    const preset = { name: name.value.trim(), prompt: box.value };
    if (!preset.name) {
      name.focus();
      return;
    }
    keep([...settings.presets.filter((p) => p.name !== preset.name), preset].sort((a, b) => a.name.localeCompare(b.name)));
    name.value = '';
    open(false);
  };
  const removeChosen = () => {
    const before = settings.presets;
    const chosen = before.find((p) => p.prompt === box.value);
    keep(before.filter((p) => p !== chosen));
    choice.focus();
    toast(`The preset ${chosen?.name ?? ''} is deleted.`, { undo: () => keep(before) });
  };
  choice.addEventListener('change', () => {
    const preset = [...settings.presets, ...builtIns].find((p) => p.name === choice.value);
    box.value = preset?.prompt ?? '';
    use(box.value);
    render();
  });
  box.addEventListener('input', render);
  render();
  return h('div', { class: 'field' }, h('label', { for: 'preset' }, 'Prompt preset'), choice, row, form);
}

function group(label: string, options: HTMLElement[]): HTMLElement {
  return h('optgroup', { label }, ...options);
}
