// The button that names the open model and opens the dialog of models.

import { byId, h, icon } from './dom.ts';
import { aboutEngine } from './engine.ts';
import type { ModelHost } from './model.ts';

export class ModelButton {
  private readonly element = byId('model-button');
  private readonly host: ModelHost;
  private shown = '';

  constructor(host: ModelHost, onclick: () => void) {
    this.host = host;
    this.element.addEventListener('click', onclick);
    host.addEventListener('change', () => this.render());
    this.render();
  }

  private render(): void {
    const { state } = this.host;
    const name = 'choice' in state ? state.choice.name : state.phase === 'starting' ? 'Starting' : 'No model';
    let about = '';
    if (state.phase === 'ready') {
      about = aboutEngine(state.engine);
    } else if (state.phase === 'loading') {
      about = state.paused ? 'paused' : 'loading';
    } else if (state.phase === 'failed') {
      about = 'failed';
    }
    const shown = `${name}, ${about}`;
    if (this.shown !== shown) {
      this.shown = shown;
      this.element.replaceChildren(icon('chip'), h('span', { class: 'sr-only' }, 'Model: '),
        h('span', { class: 'model-name' }, h('strong', {}, name), ' ', h('span', {}, about)), icon('down'));
    }
  }
}
