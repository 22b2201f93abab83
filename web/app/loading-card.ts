// The card that shows how far loading is, or why it failed.

import { formatBytes, type Phase } from '../src/index.ts';
import { errorText, h, icon } from './dom.ts';
import type { ModelHost } from './model.ts';

const phases: Record<Phase, string> = {
  prepare: 'Starting the engine', test: 'Testing the GPU', load: 'Loading the weights', compile: 'Compiling for the GPU', ready: 'Ready',
};

export class LoadingCard {
  private readonly element: HTMLElement;
  private readonly host: ModelHost;
  private readonly choose: () => void;
  private readonly title = h('strong', {});
  private readonly numbers = h('span', { class: 'numbers' });
  private readonly bar = h('progress', { 'aria-label': 'Loading' });
  private readonly buttons = h('span', { class: 'row' });
  private shown = '';

  constructor(element: HTMLElement, host: ModelHost, choose: () => void) {
    [this.element, this.host, this.choose] = [element, host, choose];
    host.addEventListener('change', () => this.render());
  }

  private render(): void {
    const { state } = this.host;
    if (state.phase === 'failed') {
      this.shown = '';
      this.element.replaceChildren(h('div', { class: 'card failed', role: 'alert' },
        h('p', { class: 'error' }, `${state.choice.name} could not be opened. ${errorText(state.error)}`),
        h('span', { class: 'row' },
          h('button', { type: 'button', class: 'primary', onclick: () => void this.host.open(state.choice) }, 'Try again'),
          h('button', { type: 'button', onclick: this.choose }, 'Choose another model'))));
      return;
    }
    if (state.phase === 'none') {
      this.shown = '';
      this.element.replaceChildren(h('div', { class: 'card' }, h('span', {}, 'No model is open. '), h('button', { type: 'button', class: 'primary', onclick: this.choose }, 'Choose a model')));
      return;
    }
    if (state.phase !== 'loading') {
      this.shown = '';
      this.element.replaceChildren();
      return;
    }
    const p = state.progress;
    const kind = `${state.choice.name} ${state.paused}`;
    if (this.shown !== kind) {
      this.shown = kind;
      this.title.textContent = state.choice.name;
      this.buttons.replaceChildren(
        state.paused
          ? h('button', { type: 'button', onclick: () => this.host.resume() }, icon('play'), 'Resume')
          : h('button', { type: 'button', onclick: () => this.host.pause() }, icon('pause'), 'Pause'),
        h('button', { type: 'button', onclick: () => this.host.cancel() }, 'Cancel'));
      this.element.replaceChildren(h('div', { class: 'card' }, h('div', { class: 'row' }, h('div', { class: 'about' }, this.title, this.numbers), this.buttons), this.bar));
    }
    const parts = [state.paused ? 'Paused' : p ? phases[p.phase] : 'Starting'];
    if (p && p.bytesTotal > 0 && (p.phase === 'load' || state.paused)) {
      parts.push(`${formatBytes(p.bytesDone)} of ${formatBytes(p.bytesTotal)}`);
      if (!state.paused && p.rate > 0) {
        parts.push(`${formatBytes(p.rate)}/s`);
        if (p.eta !== undefined && p.bytesDone < p.bytesTotal) {
          parts.push(timeLeft(p.eta));
        }
      }
    }
    this.numbers.textContent = parts.join(' · ');
    if (p && p.bytesTotal > 0 && (p.phase === 'load' || state.paused)) {
      this.bar.max = p.bytesTotal;
      this.bar.value = p.bytesDone;
    } else {
      this.bar.removeAttribute('value');
    }
  }
}

function timeLeft(seconds: number): string {
  if (seconds < 60) {
    return `${Math.ceil(seconds)} s left`;
  }
  return seconds < 5400 ? `${Math.round(seconds / 60)} min left` : `${(seconds / 3600).toFixed(1)} h left`;
}
