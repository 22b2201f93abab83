// The question before a model is opened: whether it runs here, and what it takes to download, of storage and of memory.

import { canRun, formatBytes, type ModelVerdict } from '../src/index.ts';
import { errorText, h } from './dom.ts';
import type { Choice, ModelHost } from './model.ts';

/** Bytes of memory from which on it matters that browsers do not tell how much a GPU has. */
const muchMemory = 6 * 2 ** 30;

const contexts = [1024, 4096, 8192, 16384, 32768, 65536, 131072];

export interface QuestionOptions {
  host: ModelHost;
  /** Positions; undefined: the default. */
  context: number | undefined;
  /** Whether the name of the model has to be said: it is not where the question is. */
  named: boolean;
  /** Whether a reply is being written, which opening would end. */
  isBusy(): boolean;
  opened(choice: Choice): void;
  /** The visitor does not want it. */
  cancelled(): void;
}

export class ModelQuestion {
  readonly element = h('div', { class: 'verdict', role: 'group', 'aria-live': 'polite' });
  private readonly choice: Choice;
  private readonly o: QuestionOptions;
  private readonly asking = new AbortController();
  private readonly context: HTMLSelectElement;
  private readonly keep: HTMLInputElement;
  /** Pages that are not secure have no storage. */
  private readonly canKeep = navigator.storage !== undefined;

  constructor(choice: Choice, options: QuestionOptions) {
    [this.choice, this.o] = [choice, options];
    this.element.setAttribute('aria-label', `Open ${choice.name}`);
    this.context = h('select', { id: 'model-context', onchange: () => void this.check() },
      h('option', { value: '' }, `${options.host.backend === 'cpu' ? '8,192' : '32,768'} tokens, the default`),
      ...contexts.map((n) => h('option', { value: n, selected: n === options.context }, `${n.toLocaleString()} tokens`)));
    this.keep = h('input', { type: 'checkbox', id: 'model-keep', checked: choice.store && this.canKeep, onchange: () => void this.check() });
    this.element.append(h('p', {}, `Checking ${choice.name} …`));
    void this.check();
  }

  /** Stops looking. */
  close(): void {
    this.asking.abort();
    this.element.remove();
  }

  private async check(): Promise<void> {
    const { signal } = this.asking;
    const context = this.context.value ? Number(this.context.value) : undefined;
    let verdict: ModelVerdict;
    try {
      verdict = await canRun(this.choice.model, { context, backend: this.o.host.backend, signal });
    } catch (error) {
      if (!signal.aborted) {
        this.show(h('p', { class: 'error' }, errorText(error)));
      }
      return;
    }
    if (!signal.aborted) {
      this.render(verdict, context);
    }
  }

  private render(verdict: ModelVerdict, context: number | undefined): void {
    const { bill, stored = 0 } = verdict;
    const isLocal = typeof this.choice.model !== 'string';
    const missing = bill && !isLocal ? Math.max(0, bill.download - stored) : 0;
    const open = () => this.o.opened({ ...this.choice, context, store: this.keep.checked });
    this.show(
      this.o.named && h('h3', {}, this.choice.name),
      h('p', { class: verdict.ok ? (verdict.severity === 'warning' ? 'warning' : 'fits') : 'error' }, judgement(verdict)),
      bill && h('dl', {}, ...this.facts(verdict, missing, isLocal).flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)])),
      bill && h('div', { class: 'field' }, h('label', { for: 'model-context' }, 'Context'), this.context),
      bill && this.canKeep && h('label', { class: 'check' }, this.keep, `Keep ${isLocal ? 'a copy' : 'it'} in this browser for the next visit`),
      verdict.ok && this.o.isBusy() && h('p', { class: 'muted' }, 'The reply that is being written ends there.'),
      h('div', { class: 'row' },
        verdict.ok &&
          h('button', { type: 'button', class: 'primary', onclick: open }, missing > 0 ? `Download ${formatBytes(missing)} and open` : 'Open'),
        h('button', { type: 'button', onclick: () => this.o.cancelled() }, 'Cancel')));
  }

  private facts({ bill, stored = 0, verified }: ModelVerdict, missing: number, isLocal: boolean): [string, string][] {
    const { download, total, context } = bill!;
    const fetched = missing === 0 ? 'nothing, it is already downloaded' : `${formatBytes(missing)}${stored ? ` of ${formatBytes(download)}` : ''}`;
    const kept = this.keep.checked ? formatBytes(download) : isLocal || !this.canKeep ? 'none' : 'none: it is downloaded again on each visit';
    return [
      ['Download', isLocal ? 'nothing, the files are here' : fetched],
      ['Storage in this browser', kept],
      [this.o.host.backend === 'cpu' ? 'Memory' : 'GPU memory', `${formatBytes(total)} with ${context.toLocaleString()} tokens of context`],
      ['Checked', verified ? 'against published SHA-256 hashes' : 'not verified: no hashes are published'],
    ];
  }

  /** Shows these; the element that has the focus keeps it. */
  private show(...children: (HTMLElement | undefined | false)[]): void {
    const focused = this.element.contains(document.activeElement) ? (document.activeElement as HTMLElement) : undefined;
    this.element.replaceChildren(...children.filter((e) => e instanceof HTMLElement));
    if (focused) {
      (focused.isConnected ? focused : this.element.querySelector<HTMLElement>('button'))?.focus();
    }
    this.element.scrollIntoView({ block: 'nearest' });
  }
}

function judgement({ cause, fix, bill }: ModelVerdict): string {
  if (cause) {
    return errorText({ message: cause, hint: fix });
  }
  return bill && bill.total > muchMemory
    ? `Should run on this device if its GPU has ${formatBytes(bill.total)} of memory, which browsers do not tell.`
    : 'Should run on this device.';
}
