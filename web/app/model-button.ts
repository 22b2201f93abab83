// The button that names the open model and opens the dialog of models.

import { byId, h, icon } from './dom.ts';
import { aboutEngine } from './engine.ts';
import { t } from './language.ts';
import type { ModelHost } from './model.ts';
import type { Said } from './words.ts';

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
    const name = 'choice' in state ? state.choice.name : state.phase === 'starting' ? t('starting') : t('noModel');
    let about: Said = '';
    if (state.phase === 'ready') {
      about = aboutEngine(state.engine);
    } else if (state.phase === 'loading') {
      about = t(state.paused ? 'modelPaused' : 'modelLoading');
    } else if (state.phase === 'failed') {
      about = t('modelFailed');
    }
    const shown = `${name}, ${about}`;
    if (this.shown !== shown) {
      this.shown = shown;
      this.element.replaceChildren(icon('chip'), h('span', { class: 'sr-only' }, t('modelIs'), ' '),
        h('span', { class: 'model-name' }, h('strong', {}, name), ' ', h('span', {}, about)), icon('down'));
    }
  }
}
