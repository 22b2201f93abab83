// The dialog of models: what is open, what is downloaded, what can be opened and what it takes.

import { deleteModel, type LocalFiles } from '../src/index.ts';
import { nameOf } from './catalogue.ts';
import { h, icon, iconButton, pickFiles } from './dom.ts';
import { bytes, sentences, t } from './language.ts';
import { ModelCard } from './model-card.ts';
import { listEntries, manifestHere, manifestOf, type Entry } from './model-list.ts';
import { ModelQuestion } from './model-question.ts';
import type { Choice, ModelHost } from './model.ts';
import type { Settings } from './settings.ts';
import { toast } from './toast.ts';
import { put, type Said } from './words.ts';

export interface ModelDialogActions {
  /** The visitor has chosen. */
  opened(choice: Choice): void;
  /** Whether a reply is being written. */
  isBusy(): boolean;
}

export class ModelDialog {
  private readonly dialog: HTMLDialogElement;
  private readonly host: ModelHost;
  private readonly settings: Settings;
  private readonly actions: ModelDialogActions;
  private readonly list = h('ul', { class: 'models' });
  private readonly current = h('p', { class: 'current-model', hidden: true });
  private readonly cards = new Map<string, ModelCard>();
  /** Where models by URL, and in files, are asked about. */
  private readonly urlPlace = h('div', { class: 'place', 'aria-live': 'polite' });
  private readonly filesPlace = h('div', { class: 'place', 'aria-live': 'polite' });
  private question: ModelQuestion | undefined;
  private refreshes = 0;

  constructor(dialog: HTMLDialogElement, host: ModelHost, settings: Settings, actions: ModelDialogActions) {
    [this.dialog, this.host, this.settings, this.actions] = [dialog, host, settings, actions];
    const url = h('input', {
      type: 'text', id: 'model-url', inputmode: 'url', dir: 'ltr', placeholder: 'https://example.org/gpt-oss-20b/', autocomplete: 'off', spellcheck: 'false',
      'aria-describedby': 'model-url-help',
    });
    const submit = (e: Event) => {
      e.preventDefault();
      const model = url.value.trim();
      if (model) {
        this.ask({ model, name: nameOf(model), store: true });
      }
    };
    dialog.append(
      h('div', { class: 'sheet-head' },
        h('h2', { id: 'models-title', tabindex: '-1' }, t('models')), iconButton('close', t('close'), () => dialog.close())),
      h('div', { class: 'sheet-body' },
        this.current, this.list,
        h('form', { class: 'field', onsubmit: submit },
          h('label', { for: 'model-url' }, t('modelURL')), h('div', { class: 'row' }, url, h('button', { type: 'submit' }, t('check'))),
          h('p', { class: 'muted', id: 'model-url-help' }, t('modelURLHelp'))),
        this.urlPlace,
        this.dropArea(),
        this.filesPlace));
    dialog.addEventListener('close', () => this.endQuestion());
    host.addEventListener('change', () => this.changed());
  }

  /** Where files are dropped or chosen. The page takes what is dropped elsewhere. */
  private dropArea(): HTMLElement {
    return h('div', { class: 'drop' },
      icon('folder'), h('span', {}, t('dropFiles')), ' ',
      h('button', { type: 'button', onclick: async () => this.local(await pickFiles({ directory: true })) }, t('chooseFolder')), ' ',
      h('button', { type: 'button', onclick: async () => this.local(await pickFiles({ multiple: true })) }, t('chooseFiles')));
  }

  /** Resolves when the models are listed. */
  show(): Promise<void> {
    if (!this.dialog.open) {
      this.dialog.showModal();
    }
    return this.refresh();
  }

  private changed(): void {
    if (!this.dialog.open) {
      return;
    }
    if (this.host.state.phase === 'loading' && this.cards.get(manifestHere(this.host) ?? '')) {
      this.cards.forEach((card) => card.update());
    } else {
      void this.refresh();
    }
  }

  /** Lists what there is. Cards that stay are not touched more than they must be. */
  private async refresh(): Promise<void> {
    const refresh = ++this.refreshes;
    const entries = await listEntries();
    if (refresh !== this.refreshes) {
      return; // a later one knows more
    }
    const here = manifestHere(this.host);
    if (here && 'choice' in this.host.state && !entries.some((e) => e.manifest === here)) {
      const { name } = this.host.state.choice;
      const about = here.startsWith('local:') ? t('filesOfDevice') : here;
      entries.push({ url: here, manifest: here, name, about, stored: undefined, isRunning: true });
    }
    const wanted = new Set(entries.map((e) => e.manifest));
    for (const [manifest, card] of this.cards) {
      if (!wanted.has(manifest)) {
        const held = card.element.contains(document.activeElement);
        card.element.remove();
        this.cards.delete(manifest);
        if (held) {
          document.getElementById('models-title')!.focus();
        }
      }
    }
    entries.forEach((entry, i) => {
      let card = this.cards.get(entry.manifest);
      if (card) {
        card.update(entry);
      } else {
        card = new ModelCard(entry, this.host, {
          choose: (e, place) => this.ask({ model: e.url, name: e.name, store: true }, place),
          forget: () => this.endQuestion(),
          remove: (e) => this.remove(e),
        });
        this.cards.set(entry.manifest, card);
        this.list.insertBefore(card.element, this.list.children[i] ?? null);
      }
    });
    this.renderOpen();
  }

  private async remove({ manifest, name, stored }: Entry): Promise<void> {
    await deleteModel(manifest);
    toast(stored ? t('removedFree', { name, size: bytes(stored.bytes) }) : t('removed', { name }));
    await this.refresh();
  }

  /** What the open model is and takes. */
  private renderOpen(): void {
    const info = this.host.state.phase === 'ready' ? this.host.state.engine.info.inBrowser : undefined;
    this.current.hidden = info === undefined;
    if (!info) {
      return;
    }
    const { weights, kv, scratch } = info.memory;
    const { vendor, architecture, device } = info.adapter ?? {};
    const place = [vendor, architecture, device].filter(Boolean).join(' ') || t('thisGPU');
    const sizes = { size: bytes(weights + kv + scratch), weights: bytes(weights), kv: bytes(kv), scratch: bytes(scratch), context: info.context };
    put(this.current, 'text', sentences(
      info.backend === 'cpu' ? t('openOnProcessor', sizes) : t('openOnGPU', { place, ...sizes }), info.verified ? t('everyByte') : t('noHashes')));
  }

  private local(files: File[]): void {
    this.openFiles(new Map(files.map((f) => [f.webkitRelativePath || f.name, f])));
  }

  /** Offers to open the visitor's own files. */
  openFiles(files: LocalFiles): void {
    if (files.size === 0) {
      return;
    }
    const names = [...files.keys()];
    if (names.every((n) => n.endsWith('.gguf'))) {
      this.refuse(this.filesPlace, t('packFirst', { command: 'gossamer pack model.gguf packed/' }));
      return;
    }
    const first = names[0]!;
    this.ask({ model: files, name: first.includes('/') ? first.split('/')[0]! : String(t('localFiles')), store: false }, this.filesPlace);
  }

  /** Says whether a model fits and what it takes, and offers to open it. place is where; undefined: at its card, or below the URLs. */
  ask(choice: Choice, place?: HTMLElement): void {
    if (!this.dialog.open) {
      return void this.show().then(() => this.ask(choice, place));
    }
    const at = place ?? (typeof choice.model === 'string' ? this.cards.get(manifestOf(choice.model))?.place : undefined) ?? this.urlPlace;
    if (typeof choice.model === 'string' && isForbidden(choice.model)) {
      this.refuse(at, t('httpsOnly'));
      return;
    }
    this.endQuestion();
    const question = (this.question = new ModelQuestion(choice, {
      host: this.host,
      context: this.settings.context,
      named: at === this.urlPlace || at === this.filesPlace,
      isBusy: this.actions.isBusy,
      opened: (chosen) => {
        this.settings.context = chosen.context;
        this.dialog.close();
        this.actions.opened(chosen);
      },
      cancelled: () => {
        this.endQuestion();
        (at.closest('.model') ?? this.dialog).querySelector<HTMLElement>('button')?.focus();
      },
    }));
    at.replaceChildren(question.element);
  }

  private refuse(place: HTMLElement, why: Said): void {
    this.endQuestion();
    place.replaceChildren(h('p', { class: 'error', role: 'alert' }, why));
  }

  private endQuestion(): void {
    this.question?.close();
    this.question = undefined;
    this.urlPlace.replaceChildren();
    this.filesPlace.replaceChildren();
  }
}

/** Whether the page's policy keeps it from fetching from there. */
function isForbidden(model: string): boolean {
  const url = URL.parse(model, document.baseURI);
  return url?.protocol === 'http:' && url.origin !== location.origin;
}
