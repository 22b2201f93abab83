// The dialog of models: what is open, what is stored, what can be loaded and what it takes.

import { canRun, deleteModel, formatBytes, listModels, type LocalFiles, type ModelVerdict } from '../src/index.ts';
import { nameOf, published } from './catalogue.ts';
import { errorText, h, icon, iconButton, pickFiles, toast } from './dom.ts';
import type { Choice, ModelHost } from './model.ts';
import type { Settings } from './store.ts';

export class ModelDialog {
  private readonly dialog: HTMLDialogElement;
  private readonly host: ModelHost;
  private readonly settings: Settings;
  private readonly opened: (choice: Choice) => void;
  private readonly list = h('ul', { class: 'models' });
  private readonly detail = h('div', { class: 'verdict', 'aria-live': 'polite' });
  private asking: AbortController | undefined;

  /** opened is called when the visitor has chosen. */
  constructor(dialog: HTMLDialogElement, host: ModelHost, settings: Settings, opened: (choice: Choice) => void) {
    [this.dialog, this.host, this.settings, this.opened] = [dialog, host, settings, opened];
    const url = h('input', { type: 'text', id: 'model-url', inputmode: 'url', placeholder: 'https://example.org/gpt-oss-20b/', autocomplete: 'off', spellcheck: 'false' });
    const drop = h('div', { class: 'drop' },
      icon('folder'), h('span', {}, 'Drop a model’s files here, or '),
      h('button', { type: 'button', onclick: async () => this.local(await pickFiles({ directory: true })) }, 'choose a folder'), ' ',
      h('button', { type: 'button', onclick: async () => this.local(await pickFiles({ multiple: true })) }, 'choose files'));
    dialog.append(
      h('div', { class: 'sheet-head' }, h('h2', { id: 'models-title' }, 'Models'), iconButton('close', 'Close', () => dialog.close())),
      h('div', { class: 'sheet-body' },
        this.list,
        h('form', { class: 'field', onsubmit: (e: Event) => (e.preventDefault(), url.value.trim() && this.ask({ model: url.value.trim(), name: nameOf(url.value.trim()), store: true })) },
          h('label', { for: 'model-url' }, 'Any other, by the URL of its files, a mirror or a manifest'), h('div', { class: 'row' }, url, h('button', { type: 'submit' }, 'Look'))),
        drop,
        this.detail));
    for (const target of [dialog, document.documentElement]) {
      target.addEventListener('dragover', (e) => {
        if (e.dataTransfer?.types.includes('Files')) {
          e.preventDefault();
          drop.classList.add('over');
        }
      });
      target.addEventListener('dragleave', () => drop.classList.remove('over'));
      target.addEventListener('drop', (e) => {
        drop.classList.remove('over');
        if (e.dataTransfer && e.dataTransfer.types.includes('Files')) {
          e.preventDefault();
          e.stopPropagation();
          void droppedFiles(e.dataTransfer).then((files) => {
            this.show();
            this.openFiles(files);
          });
        }
      });
    }
    host.addEventListener('change', () => {
      if (dialog.open && host.state.phase === 'ready') {
        void this.refresh();
      }
    });
  }

  show(): void {
    if (!this.dialog.open) {
      this.detail.replaceChildren();
      this.dialog.showModal();
    }
    void this.refresh();
  }

  /** Lists what there is. */
  private async refresh(): Promise<void> {
    const stored = await listModels().catch(() => []);
    const open = this.host.state.phase === 'ready' ? this.host.state : undefined;
    const isOpen = (url: string) => open !== undefined && [url, `${url.replace(/\/$/, '')}/manifest.json`].includes(open.engine.info.inBrowser?.url ?? '');
    const items = published.map((p) => ({ ...p, stored: stored.find((s) => nameOf(s.url) === p.name) }));
    const others = stored.filter((s) => !items.some((i) => i.stored === s))
      .map((s) => ({ url: s.url, name: nameOf(s.url), about: s.url.startsWith('local:') ? 'A copy of files of this machine.' : s.url, stored: s }));
    this.list.replaceChildren(...[...items, ...others].map((item) => {
      const kept = item.stored;
      const state = kept ? `${formatBytes(kept.bytes)} ${kept.complete ? 'stored in this browser' : 'in all, a part stored'}` : 'not stored';
      return h('li', { class: isOpen(kept?.url ?? item.url) ? 'model current' : 'model' },
        h('div', { class: 'about' }, h('strong', {}, item.name), h('span', {}, item.about), h('span', { class: 'muted' }, isOpen(kept?.url ?? item.url) ? `Open · ${state}` : state)),
        h('button', { type: 'button', 'aria-label': `Choose ${item.name}`, onclick: () => this.ask({ model: item.url, name: item.name, store: true }) }, 'Choose'),
        kept && iconButton('trash', `Delete ${item.name}`, async () => {
          await deleteModel(kept.url);
          toast(`${item.name} is deleted from this browser${isOpen(kept.url) ? '; it stays open until you leave' : ''}.`);
          await this.refresh();
          this.dialog.querySelector<HTMLElement>('.sheet-head button')?.focus();
        }));
    }));
    this.renderOpen();
  }

  private readonly current = h('div', { class: 'current-model' });

  /** What the open model is and takes. */
  private renderOpen(): void {
    const info = this.host.state.phase === 'ready' ? this.host.state.engine.info.inBrowser : undefined;
    if (!info) {
      this.current.remove();
      return;
    }
    const { weights, kv, scratch } = info.memory;
    const { vendor, architecture, device } = info.adapter ?? {};
    const place = info.backend === 'cpu' ? 'the processor' : [vendor, architecture, device].filter(Boolean).join(' ') || 'this GPU';
    this.current.replaceChildren(h('p', {},
      `Open on ${place}: ${formatBytes(weights + kv + scratch)} of ${info.backend === 'cpu' ? 'this tab’s' : 'its'} memory, ${formatBytes(weights)} for weights, ${formatBytes(kv)} for ${info.context.toLocaleString()} tokens of context, ${formatBytes(scratch)} to compute. `,
      info.verified ? 'Every byte was compared with its published hash.' : 'Its weights are not verified: no hashes are published, they are compared with what this browser saw first.'));
    this.list.before(this.current);
  }

  private local(files: File[]): void {
    this.openFiles(new Map(files.map((f) => [f.webkitRelativePath || f.name, f])));
  }

  private openFiles(files: LocalFiles): void {
    if (files.size === 0) {
      return;
    }
    const names = [...files.keys()];
    if (names.every((n) => n.endsWith('.gguf'))) {
      this.detail.replaceChildren(h('p', { class: 'error' }, 'GGUF files must be packed first: gossamer pack model.gguf packed/'));
      return;
    }
    const first = names[0]!;
    this.ask({ model: files, name: first.includes('/') ? first.split('/')[0]! : 'Local files', store: false });
  }

  /** Says whether a model fits and what it takes, and offers to open it. */
  ask(choice: Choice): void {
    this.asking?.abort();
    if (typeof choice.model === 'string' && isForbidden(choice.model)) {
      this.detail.replaceChildren(h('p', { class: 'error' }, 'Weights from other hosts come by https only: the page’s security policy says so.'));
      return;
    }
    const { signal } = (this.asking = new AbortController());
    this.detail.replaceChildren(h('p', {}, `Looking at ${choice.name} …`));
    const context = h('select', { id: 'model-context' }, h('option', { value: '' }, `the default, ${this.host.backend === 'cpu' ? '8,192' : '32,768'}`),
      ...[1024, 4096, 8192, 16384, 32768, 65536, 131072].map((n) => h('option', { value: n, selected: n === this.settings.context }, `${n.toLocaleString()} tokens`)));
    const canKeep = navigator.storage !== undefined; // pages that are not secure have none
    const keep = h('input', { type: 'checkbox', id: 'model-keep', checked: choice.store && canKeep });
    const check = async () => {
      const positions = context.value ? Number(context.value) : undefined;
      let verdict: ModelVerdict;
      try {
        verdict = await canRun(choice.model, { context: positions, backend: this.host.backend, signal });
      } catch (error) {
        if (!signal.aborted) {
          this.detail.replaceChildren(h('p', { class: 'error' }, errorText(error)));
        }
        return;
      }
      if (signal.aborted) {
        return;
      }
      const { bill, stored = 0 } = verdict;
      const missing = bill ? Math.max(0, bill.download - stored) : 0;
      const local = typeof choice.model !== 'string';
      const open = () => {
        this.settings.context = positions;
        this.dialog.close();
        this.opened({ ...choice, context: positions, store: keep.checked });
      };
      this.detail.replaceChildren(...[
        h('h3', {}, choice.name),
        h('p', { class: verdict.ok ? (verdict.severity === 'warning' ? 'warning' : 'fits') : 'error' },
          verdict.cause ? `${errorText({ message: verdict.cause, hint: verdict.fix })}` : 'It fits this machine, as far as the browser tells.'),
        bill && h('dl', {},
          ...[
            ['Download', local ? 'nothing, the files are here' : missing === 0 ? 'nothing, it is stored' : formatBytes(missing) + (stored ? ` of ${formatBytes(bill.download)}, the rest is stored` : '')],
            ['Stored in this browser', local && !keep.checked || !canKeep ? 'nothing' : formatBytes(bill.download)],
            [this.host.backend === 'cpu' ? 'Memory' : 'GPU memory', `${formatBytes(bill.total)} with ${bill.context.toLocaleString()} tokens of context`],
            ['Checked', verdict.verified ? 'against published SHA-256 hashes' : 'not verified: no hashes are published'],
          ].flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)])),
        bill && h('div', { class: 'field' }, h('label', { for: 'model-context' }, 'Context'), context),
        bill && canKeep && h('label', { class: 'check' }, keep, local ? 'Keep a copy in this browser for the next visit' : 'Keep it in this browser for the next visit'),
        verdict.ok && h('button', { type: 'button', class: 'primary', onclick: open }, missing > 0 && !local ? `Download ${formatBytes(missing)} and open` : 'Open'),
      ].filter((e) => e instanceof HTMLElement));
      this.detail.scrollIntoView({ block: 'nearest' });
    };
    context.addEventListener('change', () => void check());
    keep.addEventListener('change', () => void check());
    void check();
  }
}

/** Whether the page's policy keeps it from fetching from there. */
function isForbidden(model: string): boolean {
  const url = URL.parse(model, document.baseURI);
  return url?.protocol === 'http:' && url.origin !== location.origin;
}

/** Files that were dropped, with those of folders. */
async function droppedFiles(transfer: DataTransfer): Promise<LocalFiles> {
  const found = new Map<string, File>();
  const roots = [...transfer.items].map((i) => i.webkitGetAsEntry?.()).filter((e) => e !== null && e !== undefined);
  const walk = async (entry: FileSystemEntry): Promise<void> => {
    const path = entry.fullPath.replace(/^\//, '');
    if (entry.isFile) {
      found.set(path, await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject)));
      return;
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    for (;;) { // gives a hundred at a time
      const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
      if (entries.length === 0) {
        return;
      }
      for (const e of entries) {
        await walk(e);
      }
    }
  };
  for (const root of roots) {
    await walk(root);
  }
  return found;
}
