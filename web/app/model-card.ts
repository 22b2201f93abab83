// One model in the dialog of models: what it is and needs, its state in plain words, and what can be done with it.

import { h, iconButton } from './dom.ts';
import { errorText } from './error-text.ts';
import { bytes, sentences, t } from './language.ts';
import { kindOf, loadingButtons, retryButton } from './loading-card.ts';
import { loadingWords, showProgress } from './loading-words.ts';
import { manifestHere, type Entry } from './model-list.ts';
import type { ModelHost } from './model.ts';
import { joined, put, type Said } from './words.ts';

export interface CardActions {
  /** The visitor wants to open the model, or to change its context; place is where to ask. */
  choose(entry: Entry, place: HTMLElement): void;
  /** Another question is asked. */
  forget(): void;
  /** Removes the model from the browser. */
  remove(entry: Entry): Promise<void>;
}

export class ModelCard {
  readonly element = h('li', { class: 'model' });
  /** Where the model is asked about. */
  readonly place = h('div', { class: 'place' });
  private readonly host: ModelHost;
  private readonly actions: CardActions;
  private entry: Entry;
  private readonly needs = h('span', { class: 'muted' });
  private readonly status = h('span', { class: 'state' });
  private readonly about = h('span', { dir: 'auto' });
  private readonly choose = h('button', { type: 'button', onclick: () => this.ask() });
  private readonly trash: HTMLButtonElement;
  private readonly loading = h('div', { class: 'place' });
  private readonly numbers = h('span', { class: 'numbers' });
  private readonly bar = h('progress', { 'aria-label': t('loading') });
  private readonly question = h('div', { class: 'place' });
  private shown = '';

  constructor(entry: Entry, host: ModelHost, actions: CardActions) {
    [this.entry, this.host, this.actions] = [entry, host, actions];
    this.trash = iconButton('trash', t('removeModel', { name: entry.name }), () => this.askToRemove());
    this.element.append(
      h('div', { class: 'model-row' },
        h('div', { class: 'about' }, h('strong', {}, entry.name), this.about, this.needs, this.status), this.choose, this.trash),
      this.loading, this.question, this.place);
    this.update(entry);
  }

  /** Shows what is the case now. */
  update(entry = this.entry): void {
    this.entry = entry;
    const { state } = this.host;
    const isHere = manifestHere(this.host) === entry.manifest;
    const isOpen = isHere && state.phase === 'ready';
    this.element.classList.toggle('current', isOpen);
    put(this.about, 'text', entry.about);
    const needs = needsOf(entry);
    put(this.needs, 'text', needs ?? '');
    this.needs.hidden = needs === undefined;
    put(this.status, 'text', stateOf(entry, isHere ? state.phase : undefined));
    const verb = isOpen ? 'change' : state.phase === 'ready' ? 'switch' : 'open';
    put(this.choose, 'text', t(verb));
    put(this.choose, 'aria-label', t(isOpen ? 'changeContextOf' : verb === 'switch' ? 'switchTo' : 'openModel', { name: entry.name }));
    this.choose.hidden = isHere && state.phase === 'loading';
    this.trash.hidden = !entry.stored || this.choose.hidden;
    this.renderLoading(isHere);
  }

  /** Shows how far loading is, or why it failed. */
  renderLoading(isHere = manifestHere(this.host) === this.entry.manifest): void {
    const { state } = this.host;
    const kind = isHere && (state.phase === 'loading' || state.phase === 'failed') ? kindOf(state) : '';
    if (kind !== this.shown) {
      this.shown = kind;
      const held = this.loading.contains(document.activeElement);
      this.loading.replaceChildren(...this.loadingParts(kind !== ''));
      if (held) {
        (this.loading.querySelector('button') ?? this.choose).focus();
      }
    }
    if (kind !== '' && state.phase === 'loading') {
      put(this.numbers, 'text', loadingWords(state));
      showProgress(this.bar, state);
    }
  }

  private loadingParts(any: boolean): HTMLElement[] {
    const { state } = this.host;
    if (any && state.phase === 'failed') {
      return [h('p', { class: 'error', role: 'alert' }, errorText(state.error)),
        h('div', { class: 'row' }, retryButton(this.host, state))];
    }
    if (any && state.phase === 'loading') {
      return [...(state.recovering ? [h('p', { class: 'muted' }, state.recovering)] : []), this.numbers, this.bar,
        h('div', { class: 'row' }, ...loadingButtons(this.host, state))];
    }
    return [];
  }

  private ask(): void {
    this.question.replaceChildren();
    this.actions.choose(this.entry, this.place);
  }

  private askToRemove(): void {
    const { stored, name, isRunning } = this.entry;
    if (!stored) {
      return;
    }
    this.actions.forget();
    const done = (focus: HTMLElement) => {
      this.question.replaceChildren();
      focus.focus();
    };
    const keep = h('button', { type: 'button', onclick: () => done(this.trash) }, t('keepIt'));
    const remove = h('button', { type: 'button', class: 'danger', onclick: async () => {
      await this.actions.remove(this.entry);
      done(this.element.isConnected ? this.choose : document.getElementById('models-title')!);
    } }, t('remove'));
    const again = stored.url.startsWith('local:')
      ? t('needsFilesAgain')
      : t('needsDownloadAgain', { size: bytes(stored.bytes) });
    this.question.replaceChildren(h('div', { class: 'confirm', role: 'group', 'aria-label': t('removeModel', { name }) },
      h('p', {}, sentences(t('removeQuestion', { name }), again, isRunning && t('staysOpen'))),
      h('div', { class: 'row' }, remove, keep)));
    keep.focus();
  }
}

/** What a model needs, before it is chosen; undefined: so little that nobody needs to know. */
function needsOf({ bytes: size, memory, stored }: Entry): Said | undefined {
  if (memory === undefined || size === undefined) {
    return undefined;
  }
  return stored?.complete ? t('needsMemory', { memory: bytes(memory) }) : t('needsAll', { size: bytes(size), memory: bytes(memory) });
}

function stateOf({ stored, isRunning }: Entry, phase: 'ready' | 'loading' | 'failed' | string | undefined): Said {
  const kept = !stored ? t('notDownloaded') : t(stored.complete ? 'downloaded' : 'partlyDownloaded', { size: bytes(stored.bytes) });
  switch (phase) {
    case 'ready':
      return joined([t('isOpen'), kept], ' · ');
    case 'loading':
      return t('loading');
    case 'failed':
      return joined([t('isNotOpen'), kept], ' · ');
    default:
      return joined([isRunning && t('isElsewhere'), kept], ' · ');
  }
}
