// The dialog of models: what is open, what is stored, what can be loaded and what it takes; and the card that tells of loading.

import { canRun, deleteModel, environment, listModels, type Environment, type LocalFiles, type ModelVerdict, type Phase } from '../src/index.ts';
import { errorText, h, icon, iconButton, pickFiles, toast } from './dom.ts';
import type { Choice, ModelHost } from './model.ts';
import type { Settings } from './store.ts';

/** The built-in model. */
export const nano = { url: new URL('nano/', document.baseURI).href, name: 'gossamer-nano' };

const published = [
  { url: nano.url, name: nano.name, about: 'Built in: a miniature that shows how things work and knows next to nothing.' },
  { url: 'https://huggingface.co/openai/gpt-oss-20b', name: 'gpt-oss-20b', about: 'OpenAI’s open model, from its published files on Hugging Face.' },
];

/** Bytes for people, in the units in which downloads are told. */
export function bytes(n: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let i = 0;
  for (; n >= 1000 && i < units.length - 1; i++) {
    n /= 1000;
  }
  return `${i === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[i]}`;
}

function timeLeft(seconds: number): string {
  if (seconds < 60) {
    return `${Math.ceil(seconds)} s left`;
  }
  return seconds < 5400 ? `${Math.round(seconds / 60)} min left` : `${(seconds / 3600).toFixed(1)} h left`;
}

const phases: Record<Phase, string> = {
  prepare: 'Starting the engine', test: 'Testing the GPU', load: 'Loading the weights', compile: 'Compiling for the GPU', ready: 'Ready',
};

/** The name under which a model is shown. */
export function nameOf(url: string): string {
  const known = published.find((p) => url === p.url || url === `${p.url}manifest.json`);
  if (known) {
    return known.name;
  }
  try {
    const path = new URL(url, document.baseURI).pathname.replace(/\/resolve\/[^/]+\//, '/').replace(/\/(manifest\.json)?$/, '');
    return decodeURIComponent(path.split('/').at(-1) || url);
  } catch {
    return url;
  }
}

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
    const isOpen = (url: string) => open !== undefined && [url, `${url.replace(/\/$/, '')}/manifest.json`].includes(open.engine.info.url);
    const items = published.map((p) => ({ ...p, stored: stored.find((s) => nameOf(s.url) === p.name) }));
    const others = stored.filter((s) => !items.some((i) => i.stored === s))
      .map((s) => ({ url: s.url, name: nameOf(s.url), about: s.url.startsWith('local:') ? 'A copy of files of this machine.' : s.url, stored: s }));
    this.list.replaceChildren(...[...items, ...others].map((item) => {
      const kept = item.stored;
      const state = kept ? `${bytes(kept.bytes)} ${kept.complete ? 'stored in this browser' : 'in all, a part stored'}` : 'not stored';
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
    if (this.host.state.phase !== 'ready') {
      this.current.remove();
      return;
    }
    const { info } = this.host.state.engine;
    const { weights, kv, scratch } = info.memory;
    const gpu = [info.adapter.vendor, info.adapter.architecture, info.adapter.device].filter(Boolean).join(' ') || 'this GPU';
    this.current.replaceChildren(h('p', {},
      `Open on ${gpu}: ${bytes(weights + kv + scratch)} of its memory, ${bytes(weights)} for weights, ${bytes(kv)} for ${info.context.toLocaleString()} tokens of context, ${bytes(scratch)} to compute. `,
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
    const context = h('select', { id: 'model-context' }, h('option', { value: '' }, 'the default, 32,768'),
      ...[1024, 4096, 8192, 16384, 32768, 65536, 131072].map((n) => h('option', { value: n, selected: n === this.settings.context }, `${n.toLocaleString()} tokens`)));
    const keep = h('input', { type: 'checkbox', id: 'model-keep', checked: choice.store });
    const check = async () => {
      const positions = context.value ? Number(context.value) : undefined;
      let verdict: ModelVerdict;
      try {
        verdict = await canRun(choice.model, { context: positions, signal });
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
            ['Download', local ? 'nothing, the files are here' : missing === 0 ? 'nothing, it is stored' : bytes(missing) + (stored ? ` of ${bytes(bill.download)}, the rest is stored` : '')],
            ['Stored in this browser', local && !keep.checked ? 'nothing' : bytes(bill.download)],
            ['GPU memory', `${bytes(bill.total)} with ${bill.context.toLocaleString()} tokens of context`],
            ['Checked', verdict.verified ? 'against published SHA-256 hashes' : 'not verified: no hashes are published'],
          ].flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)])),
        bill && h('div', { class: 'field' }, h('label', { for: 'model-context' }, 'Context'), context),
        bill && h('label', { class: 'check' }, keep, local ? 'Keep a copy in this browser for the next visit' : 'Keep it in this browser for the next visit'),
        verdict.ok && h('button', { type: 'button', class: 'primary', onclick: open }, missing > 0 && !local ? `Download ${bytes(missing)} and open` : 'Open'),
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

/** The card that tells how far loading is, or why it failed. */
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
      parts.push(`${bytes(p.bytesDone)} of ${bytes(p.bytesTotal)}`);
      if (!state.paused && p.rate > 0) {
        parts.push(`${bytes(p.rate)}/s`);
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

/** What a page without WebGPU says instead of a greeting. */
export function explain(e: Environment): HTMLElement {
  return h('section', { class: 'explain', role: 'alert' },
    h('h2', {}, 'This browser cannot run the model'),
    h('p', {}, errorText({ message: e.cause, hint: e.fix })),
    h('div', { class: 'table', tabindex: '0', role: 'region', 'aria-label': 'Browsers with WebGPU' }, h('table', {},
      h('thead', {}, h('tr', {}, h('th', {}, 'Browser'), h('th', {}, 'WebGPU'))),
      h('tbody', {}, ...[
        ['Chrome, Edge, Opera', 'Windows, macOS and ChromeOS since version 113, Android since 121. On Linux it may have to be switched on: chrome://flags/#enable-unsafe-webgpu and chrome://flags/#enable-vulkan.'],
        ['Safari', 'macOS, iOS and iPadOS since version 26.'],
        ['Firefox', 'Windows since version 141, macOS with Apple silicon since 145. Elsewhere dom.webgpu.enabled in about:config of Firefox Nightly.'],
      ].map(([name, text]) => h('tr', {}, h('th', { scope: 'row' }, name), h('td', {}, text)))))),
    h('p', {}, 'Hardware acceleration must be on in the browser’s settings, and the page must come by https or from localhost. What the browser says of the GPU: chrome://gpu in Chrome and Edge, about:support in Firefox.'),
    h('p', {}, 'Your conversations are still here: you can read and export them.'));
}

/** Whether models can be opened here. */
export function look(): Promise<Environment> {
  return environment();
}
