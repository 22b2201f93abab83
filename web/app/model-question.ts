// The question before a model is opened: whether it runs here, and what it takes to download, of storage and of memory.

import { canRun, type ModelVerdict } from '../src/index.ts';
import { h } from './dom.ts';
import { errorText, verdictText } from './error-text.ts';
import { bytes, t } from './language.ts';
import type { Choice, ModelHost } from './model.ts';
import { put, type Said } from './words.ts';

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
    put(this.element, 'aria-label', t('openModel', { name: choice.name }));
    this.context = h('select', { id: 'model-context', onchange: () => void this.check() },
      h('option', { value: '' }, t('tokensDefault', { context: options.host.backend === 'cpu' ? 8192 : 32768 })),
      ...contexts.map((n) => h('option', { value: n, selected: n === options.context }, t('tokens', { n }))));
    this.keep = h('input', { type: 'checkbox', id: 'model-keep', checked: choice.store && this.canKeep, onchange: () => void this.check() });
    this.element.append(h('p', {}, t('checking', { name: choice.name })));
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
      bill && h('div', { class: 'field' }, h('label', { for: 'model-context' }, t('context')), this.context),
      bill && this.canKeep && h('label', { class: 'check' }, this.keep, t(isLocal ? 'keepCopy' : 'keepModel')),
      verdict.ok && this.o.isBusy() && h('p', { class: 'muted' }, t('replyEnds')),
      h('div', { class: 'row' },
        verdict.ok &&
          h('button', { type: 'button', class: 'primary', onclick: open }, missing > 0 ? t('downloadAndOpen', { size: bytes(missing) }) : t('open')),
        h('button', { type: 'button', onclick: () => this.o.cancelled() }, t('cancel'))));
  }

  private facts({ bill, stored = 0, verified }: ModelVerdict, missing: number, isLocal: boolean): [Said, Said][] {
    const { download, total, context } = bill!;
    const rest = stored ? t('doneOf', { done: bytes(missing), all: bytes(download) }) : bytes(missing);
    const fetched = missing === 0 ? t('downloadNothing') : rest;
    const kept = this.keep.checked ? bytes(download) : isLocal || !this.canKeep ? t('storageNone') : t('storageEachVisit');
    return [
      [t('download'), isLocal ? t('downloadLocal') : fetched],
      [t('storage'), kept],
      [t(this.o.host.backend === 'cpu' ? 'memory' : 'gpuMemory'), t('memoryWith', { size: bytes(total), context })],
      [t('checked'), t(verified ? 'checkedHashes' : 'checkedNot')],
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

function judgement(verdict: ModelVerdict): Said {
  const { cause, bill } = verdict;
  if (cause) {
    return verdictText(verdict);
  }
  return bill && bill.total > muchMemory
    ? t('shouldRunIf', { size: bytes(bill.total) })
    : t('shouldRun');
}
