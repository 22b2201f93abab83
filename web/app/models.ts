// The dialog of models, which is loaded when it is wanted first.

import { byId } from './dom.ts';
import { isNative } from './engine.ts';
import { t } from './language.ts';
import type { ModelDialog, ModelDialogActions } from './model-dialog.ts';
import type { Choice, ModelHost } from './model.ts';
import type { NativeModelDialog } from './native-models.ts';
import type { Settings } from './settings.ts';
import { toast } from './toast.ts';

export class Models {
  private readonly host: ModelHost;
  private readonly settings: Settings;
  private readonly actions: ModelDialogActions;
  private loaded: Promise<ModelDialog | NativeModelDialog> | undefined;

  constructor(host: ModelHost, settings: Settings, actions: ModelDialogActions) {
    [this.host, this.settings, this.actions] = [host, settings, actions];
  }

  show(): void {
    this.load((dialog) => dialog.show());
  }

  /** Says what a model takes, and offers to open it. */
  ask(choice: Choice): void {
    this.load((dialog) => 'ask' in dialog && dialog.ask(choice));
  }

  /** Offers to open the visitor's own files. */
  openFiles(files: Map<string, File>): void {
    this.load((dialog) => {
      dialog.show();
      if ('openFiles' in dialog) {
        dialog.openFiles(files);
      }
    });
  }

  private load(then: (dialog: ModelDialog | NativeModelDialog) => void): void {
    this.loaded ??= this.make();
    this.loaded.then(then, () => {
      this.loaded = undefined; // a network that is back may be tried again
      toast(t('partNotLoaded'), { error: true });
    });
  }

  private async make(): Promise<ModelDialog | NativeModelDialog> {
    const element = byId<HTMLDialogElement>('models');
    if (isNative) {
      return new (await import('./native-models.ts')).NativeModelDialog(element, this.host, this.actions);
    }
    return new (await import('./model-dialog.ts')).ModelDialog(element, this.host, this.settings, this.actions);
  }
}
