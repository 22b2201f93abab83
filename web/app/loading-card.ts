// The card that shows how far loading is, or why it failed.

import { announce, h, icon } from './dom.ts';
import { errorText } from './error-text.ts';
import { t } from './language.ts';
import { loadingWords, retryWords, showProgress } from './loading-words.ts';
import type { ModelHost, ModelState } from './model.ts';
import { put } from './words.ts';

export class LoadingCard {
  private readonly element: HTMLElement;
  private readonly host: ModelHost;
  private readonly choose: () => void;
  private readonly title = h('strong', {});
  private readonly numbers = h('span', { class: 'numbers' });
  private readonly bar = h('progress', { 'aria-label': t('loading') });
  private shown = '';
  private isInterrupted = false;

  /** choose is called when the visitor wants another model. */
  constructor(element: HTMLElement, host: ModelHost, choose: () => void) {
    [this.element, this.host, this.choose] = [element, host, choose];
    host.addEventListener('change', () => this.render());
  }

  private render(): void {
    const { state } = this.host;
    const kind = kindOf(state);
    if (this.shown !== kind) {
      this.shown = kind;
      const held = this.element.contains(document.activeElement);
      this.element.replaceChildren(...this.card(state));
      if (held) { // the button that was pressed is gone
        (this.element.querySelector<HTMLElement>('button') ?? document.getElementById('text'))?.focus();
      }
    }
    if (state.phase === 'loading') {
      put(this.numbers, 'text', loadingWords(state));
      showProgress(this.bar, state);
    }
    const retry = state.phase === 'loading' ? state.progress?.retry : undefined;
    if (retry && !this.isInterrupted) {
      announce(retryWords(retry)); // once, and not each second
    }
    this.isInterrupted = retry !== undefined;
  }

  private card(state: ModelState): HTMLElement[] {
    switch (state.phase) {
      case 'failed':
        return [h('div', { class: 'card failed', role: 'alert' },
          h('p', { class: 'error' }, t('couldNotOpen', { name: state.choice.name, error: errorText(state.error) })),
          h('span', { class: 'row' },
            retryButton(this.host, state),
            h('button', { type: 'button', onclick: this.choose }, t('chooseOther'))))];
      case 'none':
        return [h('div', { class: 'card' },
          h('span', {}, t('noModelOpen')), ' ', h('button', { type: 'button', class: 'primary', onclick: this.choose }, t('chooseModel')))];
      case 'loading': {
        this.title.textContent = state.choice.name;
        return [h('div', { class: 'card' },
          h('div', { class: 'row' },
            h('div', { class: 'about' }, this.title, this.numbers), h('span', { class: 'row' }, ...loadingButtons(this.host, state))),
          state.recovering ? h('p', { class: 'muted' }, state.recovering) : undefined,
          this.bar)];
      }
      default:
        return [];
    }
  }
}

/** What changes the buttons of the card, and not only its numbers. */
export function kindOf(state: ModelState): string {
  switch (state.phase) {
    case 'loading':
      return `loading ${state.choice.name} ${state.paused} ${state.recovering ?? ''}`;
    case 'failed':
      return `failed ${state.choice.name} ${errorText(state.error)}`;
    default:
      return state.phase;
  }
}

/** A button that tries again, with the context that another tab has it open with if that was the reason. */
export function retryButton(host: ModelHost, { choice, error }: Extract<ModelState, { phase: 'failed' }>): HTMLElement {
  const isConflict = (error as { code?: string }).code === 'conflict';
  const retry = () => void host.open(isConflict ? { ...choice, context: undefined } : choice);
  return h('button', { type: 'button', class: 'primary', onclick: retry }, isConflict ? t('openAsOther') : t('tryAgain'));
}

/** Buttons that pause and cancel. What another tab had open is loaded from this device, so that there is nothing to pause. */
export function loadingButtons(host: ModelHost, { paused, recovering }: Extract<ModelState, { phase: 'loading' }>): HTMLElement[] {
  const pause = paused
    ? h('button', { type: 'button', onclick: () => host.resume() }, icon('play'), t('resume'))
    : h('button', { type: 'button', onclick: () => host.pause() }, icon('pause'), t('pause'));
  const cancel = h('button', { type: 'button', onclick: () => host.cancel() }, t('cancel'));
  return recovering ? [cancel] : [pause, cancel];
}
