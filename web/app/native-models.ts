// The dialog of models where the program gossamer has them.

import { errorText, h, iconButton } from './dom.ts';
import type { ModelDialogActions } from './model-dialog.ts';
import type { ModelHost } from './model.ts';
import { nativeModels, type NativeModel } from './native.ts';

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
        h('h2', { id: 'models-title', tabindex: '-1' }, 'Models'), iconButton('close', 'Close', () => dialog.close())),
      h('div', { class: 'sheet-body', tabindex: '0', role: 'group', 'aria-labelledby': 'models-title' }, this.list, // scrolled by keys
        h('p', { class: 'muted' },
          'These run in the program on this device. Another one: stop gossamer and start it with --model, as in gossamer --model gpt-oss-20b.')));
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
    const facts = [runs_on, context_length > 0 ? `${context_length.toLocaleString()} tokens of context` : ''].filter(Boolean).join(' · ');
    const verb = this.host.state.phase === 'ready' ? 'Switch' : 'Open';
    const label = `${verb === 'Switch' ? 'Switch to' : 'Open'} ${id}`;
    return h('li', { class: isOpen ? 'model current' : 'model' }, h('div', { class: 'model-row' },
      h('div', { class: 'about' }, h('strong', {}, id), facts && h('span', { class: 'muted' }, facts),
        h('span', { class: 'state' }, isOpen ? 'Open' : context_length > 0 ? 'Ready' : 'Is being loaded')),
      !isOpen && h('button', { type: 'button', 'aria-label': label, onclick: () => this.choose(id) }, verb)));
  }

  private choose(id: string): void {
    this.dialog.close();
    this.actions.opened({ model: id, name: id, store: false });
  }
}
