// One model in the dialog of models: what it is and needs, its state in plain words, and what can be done with it.

import { formatBytes } from '../src/index.ts';
import { errorText, h, iconButton } from './dom.ts';
import { kindOf, loadingButtons, retryButton } from './loading-card.ts';
import { loadingWords, showProgress } from './loading-words.ts';
import { manifestHere, type Entry } from './model-list.ts';
import type { ModelHost } from './model.ts';

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
  private readonly about = h('span', {});
  private readonly choose = h('button', { type: 'button', onclick: () => this.ask() });
  private readonly trash: HTMLButtonElement;
  private readonly loading = h('div', { class: 'place' });
  private readonly numbers = h('span', { class: 'numbers' });
  private readonly bar = h('progress', { 'aria-label': 'Loading' });
  private readonly question = h('div', { class: 'place' });
  private shown = '';

  constructor(entry: Entry, host: ModelHost, actions: CardActions) {
    [this.entry, this.host, this.actions] = [entry, host, actions];
    this.trash = iconButton('trash', `Remove ${entry.name}`, () => this.askToRemove());
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
    this.about.textContent = entry.about;
    this.needs.textContent = needsOf(entry);
    this.needs.hidden = this.needs.textContent === '';
    this.status.textContent = stateOf(entry, isHere ? state.phase : undefined);
    const verb = isOpen ? 'Change' : state.phase === 'ready' ? 'Switch' : 'Open';
    this.choose.textContent = verb;
    const label = isOpen ? 'Change the context of' : verb === 'Switch' ? 'Switch to' : 'Open';
    this.choose.setAttribute('aria-label', `${label} ${entry.name}`);
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
      this.numbers.textContent = loadingWords(state);
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
    const keep = h('button', { type: 'button', onclick: () => done(this.trash) }, 'Keep it');
    const remove = h('button', { type: 'button', class: 'danger', onclick: async () => {
      await this.actions.remove(this.entry);
      done(this.element.isConnected ? this.choose : document.getElementById('models-title')!);
    } }, 'Remove');
    const again = stored.url.startsWith('local:')
      ? 'To open it again you will need its files.'
      : `To open it again, ${formatBytes(stored.bytes)} are downloaded again.`;
    this.question.replaceChildren(h('div', { class: 'confirm', role: 'group', 'aria-label': `Remove ${name}` },
      h('p', {}, `Remove ${name} from this browser? ${again}${isRunning ? ' Where it is open it stays open until you leave.' : ''}`),
      h('div', { class: 'row' }, remove, keep)));
    keep.focus();
  }
}

/** What a model needs, before it is chosen. */
function needsOf({ bytes, memory, stored }: Entry): string {
  if (memory === undefined || bytes === undefined) {
    return '';
  }
  const storage = stored?.complete ? '' : `${formatBytes(bytes)} to download and to store, `;
  return `Needs ${storage}${formatBytes(memory)} of GPU memory.`;
}

function stateOf({ stored, isRunning }: Entry, phase: 'ready' | 'loading' | 'failed' | string | undefined): string {
  const kept = !stored ? 'Not downloaded'
    : stored.complete ? `Already downloaded, ${formatBytes(stored.bytes)}` : `Partly downloaded, ${formatBytes(stored.bytes)} in all`;
  switch (phase) {
    case 'ready':
      return `Open · ${kept}`;
    case 'loading':
      return 'Loading';
    case 'failed':
      return `Could not be opened · ${kept}`;
    default:
      return isRunning ? `Open in another tab, which shares it with this one · ${kept}` : kept;
  }
}
