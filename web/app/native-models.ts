// The dialog of models where the program gossamer has them.

import { errorText, h, iconButton } from './dom.ts';
import type { Choice, ModelHost } from './model.ts';
import { nativeModels } from './native.ts';

export class NativeModelDialog {
  private readonly dialog: HTMLDialogElement;
  private readonly host: ModelHost;
  private readonly opened: (choice: Choice) => void;
  private readonly list = h('ul', { class: 'models' });

  /** opened is called when the visitor has chosen. */
  constructor(dialog: HTMLDialogElement, host: ModelHost, opened: (choice: Choice) => void) {
    [this.dialog, this.host, this.opened] = [dialog, host, opened];
    dialog.append(
      h('div', { class: 'sheet-head' }, h('h2', { id: 'models-title' }, 'Models'), iconButton('close', 'Close', () => dialog.close())),
      h('div', { class: 'sheet-body' }, this.list,
        h('p', { class: 'muted' }, 'These run in the program on this machine. Another one: stop gossamer and start it with --model, as in gossamer --model gpt-oss-20b.')));
  }

  show(): void {
    if (!this.dialog.open) {
      this.dialog.showModal();
    }
    void this.refresh();
  }

  private async refresh(): Promise<void> {
    try {
      const { state } = this.host;
      const open = state.phase === 'ready' ? state.choice.name : undefined;
      this.list.replaceChildren(...(await nativeModels()).map((model) => {
        const about = [model.runs_on, model.context_length > 0 ? `${model.context_length.toLocaleString()} tokens of context` : 'is being loaded'].filter(Boolean);
        return h('li', { class: model.id === open ? 'model current' : 'model' },
          h('div', { class: 'about' }, h('strong', {}, model.id), h('span', { class: 'muted' }, about.join(' · '))),
          h('button', { type: 'button', 'aria-label': `Choose ${model.id}`, onclick: () => this.choose(model.id) }, 'Choose'));
      }));
    } catch (error) {
      this.list.replaceChildren(h('li', { class: 'error' }, errorText(error)));
    }
  }

  private choose(id: string): void {
    this.dialog.close();
    this.opened({ model: id, name: id, store: false });
  }
}
