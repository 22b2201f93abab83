// The dialog of models where the program gossamer has them.

import { h, iconButton } from './dom.ts';
import { errorText } from './error-text.ts';
import { t } from './language.ts';
import type { ModelDialogActions } from './model-dialog.ts';
import type { ModelHost } from './model.ts';
import { nativeModels, type NativeModel } from './native.ts';
import { joined } from './words.ts';

export class NativeModelDialog {
  private readonly dialog: HTMLDialogElement;
  private readonly host: ModelHost;
  private readonly actions: ModelDialogActions;
  private readonly list = h('ul', { class: 'models' });
  private shown = '';

  constructor(dialog: HTMLDialogElement, host: ModelHost, actions: ModelDialogActions) {
    [this.dialog, this.host, this.actions] = [dialog, host, actions];
    dialog.append(
      h('div', { class: 'sheet-head' },
        h('h2', { id: 'models-title', tabindex: '-1' }, t('models')), iconButton('close', t('close'), () => dialog.close())),
      h('div', { class: 'sheet-body', tabindex: '0', role: 'group', 'aria-labelledby': 'models-title' }, this.list, // scrolled by keys
        h('p', { class: 'muted' }, t('nativeModels', { command: 'gossamer --model gpt-oss-20b' }))));
    host.addEventListener('change', () => dialog.open && void this.refresh());
  }

  show(): void {
    if (!this.dialog.open) {
      this.dialog.showModal();
    }
    void this.refresh();
  }

  private async refresh(): Promise<void> {
    try {
      const models = await nativeModels();
      const { state } = this.host;
      const open = state.phase === 'ready' ? state.choice.name : undefined;
      const shown = JSON.stringify([models, open]);
      if (shown !== this.shown) {
        this.shown = shown;
        this.list.replaceChildren(...models.map((model) => this.card(model, model.id === open)));
      }
    } catch (error) {
      this.shown = '';
      this.list.replaceChildren(h('li', { class: 'error', role: 'alert' }, errorText(error)));
    }
  }

  private card({ id, runs_on, context_length }: NativeModel, isOpen: boolean): HTMLElement {
    const facts = [runs_on, context_length > 0 && t('tokensOfContext', { context: context_length })].filter(Boolean);
    const isReady = this.host.state.phase === 'ready';
    return h('li', { class: isOpen ? 'model current' : 'model' }, h('div', { class: 'model-row' },
      h('div', { class: 'about' }, h('strong', {}, id), facts.length > 0 && h('span', { class: 'muted' }, joined(facts, ' · ')),
        h('span', { class: 'state' }, t(isOpen ? 'isOpen' : context_length > 0 ? 'isReady' : 'isLoading'))),
      !isOpen && h('button', { type: 'button', 'aria-label': t(isReady ? 'switchTo' : 'openModel', { name: id }), onclick: () => this.choose(id) }, t(isReady ? 'switch' : 'open'))));
  }

  private choose(id: string): void {
    this.dialog.close();
    this.actions.opened({ model: id, name: id, store: false });
  }
}
