// System prompts by name: some that the page brings, and the visitor's own.

import { h } from './dom.ts';
import { compare, t } from './language.ts';
import { saveSettings, type Preset, type Settings } from './settings.ts';
import { toast } from './toast.ts';
import type { Said } from './words.ts';

/** A preset as it is listed, by a value of its own. */
interface Listed {
  value: string;
  name: Said;
  prompt: Said;
}

const builtIns: Listed[] = (['brief', 'stepByStep', 'proofreader', 'translator', 'codeReview'] as const)
  .map((key) => ({ value: `built-in ${key}`, name: t(key), prompt: t(`${key}Prompt`) }));

const listed = ({ name, prompt }: Preset): Listed => ({ value: `own ${name}`, name, prompt });

/** Chooses, saves and deletes presets for the system prompt that is in box. */
export function presetField(settings: Settings, box: HTMLTextAreaElement, use: (prompt: string) => void): HTMLElement {
  const name = h('input', { type: 'text', id: 'preset-name', maxlength: '60', autocomplete: 'off', placeholder: t('presetName') });
  const choice = h('select', { id: 'preset' });
  const save = h('button', { type: 'button', onclick: () => open(true) }, t('presetSave'));
  const remove = h('button', { type: 'button', class: 'danger', onclick: () => removeChosen() }, t('presetDelete'));
  const row = h('div', { class: 'row' }, save, remove);
  const form = h('form', { class: 'row preset', hidden: true, onsubmit: (e: Event) => (e.preventDefault(), add()), onkeydown: (e: KeyboardEvent) => {
    if (e.key === 'Escape') {
      e.preventDefault(); // it would close the sheet
      e.stopPropagation();
      open(false);
    }
  } }, h('label', { class: 'sr-only', for: 'preset-name' }, t('presetName')), name,
  h('button', { type: 'submit', class: 'primary' }, t('save')), h('button', { type: 'button', onclick: () => open(false) }, t('cancel')));

  const render = () => {
    const own = settings.presets.map(listed);
    const chosen = [...own, ...builtIns].find((p) => String(p.prompt) === box.value);
    const options = (presets: Listed[]) => presets.map((p) => h('option', { value: p.value, selected: p === chosen }, p.name));
    choice.replaceChildren(h('option', { value: '', selected: !chosen }, t(box.value ? 'presetOwn' : 'presetNone')),
      ...(own.length > 0 ? [group(t('presetsYours'), options(own))] : []), group(t('presetsBuiltIn'), options(builtIns)));
    save.hidden = box.value.trim() === '' || chosen !== undefined;
    remove.hidden = !chosen || !own.includes(chosen);
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
    keep([...settings.presets.filter((p) => p.name !== preset.name), preset].sort((a, b) => compare(a.name, b.name)));
    name.value = '';
    open(false);
  };
  const removeChosen = () => {
    const before = settings.presets;
    const chosen = before.find((p) => p.prompt === box.value);
    keep(before.filter((p) => p !== chosen));
    choice.focus();
    toast(t('presetDeleted', { name: chosen?.name ?? '' }), { undo: () => keep(before) });
  };
  choice.addEventListener('change', () => {
    const preset = [...settings.presets.map(listed), ...builtIns].find((p) => p.value === choice.value);
    box.value = String(preset?.prompt ?? '');
    use(box.value);
    render();
  });
  box.addEventListener('input', render);
  render();
  return h('div', { class: 'field' }, h('label', { for: 'preset' }, t('preset')), choice, row, form);
}

function group(label: Said, options: HTMLElement[]): HTMLElement {
  return h('optgroup', { label }, ...options);
}
