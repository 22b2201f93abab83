// The open model, or the one that is being opened: there is at most one, since it has the GPU's memory.

import type { Backend, Environment, LocalFiles, Notice, Progress } from '../src/index.ts';
import { createEngine } from './engine.ts';
import type { Engine } from './engine-types.ts';
import { errorText } from './error-text.ts';
import { t } from './language.ts';
import type { Words } from './words.ts';

/** A model to open. */
export interface Choice {
  /** Its URL, or its files. */
  model: string | LocalFiles;
  name: string;
  context?: number | undefined;
  /** Keep the weights in the browser. */
  store: boolean;
}

export type ModelState =
  /** The browser is being looked at; then a model is opened. */
  | { phase: 'starting' }
  | { phase: 'none' }
  /** recovering: why an open model is loaded again, a sentence. */
  | { phase: 'loading'; choice: Choice; progress?: Progress; paused: boolean; recovering?: Words }
  | { phase: 'ready'; choice: Choice; engine: Engine }
  | { phase: 'failed'; choice: Choice; error: unknown };

/** What the package says behind the reason for which a model is loaded again. */
const reloadingEnd = /\. The model is being loaded again\.$/;

/** Opens models, and tells of it. */
export class ModelHost extends EventTarget {
  state: ModelState = { phase: 'starting' };
  /** What is worth knowing of the open model. */
  notices: Notice[] = [];
  /** Why no GPU can be used, so that the processor computes; undefined: one can. */
  noGPU: Environment | undefined;
  private abort: AbortController | undefined;
  /** The open model, also while it is loaded again. */
  private engine: Engine | undefined;
  private waiting: { resolve(engine: Engine): void; reject(error: unknown): void }[] = [];

  private set(state: ModelState): void {
    this.state = state;
    this.dispatchEvent(new Event('change'));
  }

  /** What computes the models. */
  get backend(): Backend {
    return this.noGPU ? 'cpu' : 'webgpu';
  }

  /** Opens a model; the one before is closed. Failures are told by the state. */
  async open(choice: Choice): Promise<void> {
    this.abort?.abort();
    const abort = (this.abort = new AbortController());
    this.notices = [];
    this.set({ phase: 'loading', choice, paused: false });
    await this.closeEngine();
    if (this.abort !== abort) {
      return; // another one was chosen meanwhile
    }
    try {
      const engine = await createEngine({
        model: choice.model, context: choice.context, store: choice.store, backend: this.backend, signal: abort.signal,
        onProgress: (progress) => {
          if (this.abort === abort && this.state.phase === 'loading' && !this.state.paused) {
            this.set({ ...this.state, progress });
          }
        },
        onNotice: (notice) => {
          if (notice.kind === 'recovering' && this.abort === abort) {
            void this.recover(notice);
            return;
          }
          this.notices.push(notice);
          this.dispatchEvent(new CustomEvent('notice', { detail: notice }));
        },
      });
      if (abort.signal.aborted) {
        await engine.close();
        return;
      }
      const name = engine.info.inBrowser ? choice.name : engine.info.model; // natively the program may have chosen
      this.engine = engine;
      this.set({ phase: 'ready', choice: { ...choice, name }, engine });
      this.waiting.splice(0).forEach((w) => w.resolve(engine));
    } catch (error) {
      if (!abort.signal.aborted) {
        this.set({ phase: 'failed', choice, error });
        this.rejectWaiting(error);
      }
    }
  }

  /** The engine of the open model is gone, and the package loads the model again: that is shown as any loading, and replies wait for it. */
  private async recover({ message, reason }: Notice): Promise<void> {
    const { state, engine } = this;
    if (state.phase !== 'ready' && !(state.phase === 'loading' && state.recovering) || !engine) {
      return;
    }
    const { choice } = state;
    this.set({ phase: 'loading', choice, paused: false, recovering: t('reloading', { why: errorText({ message: message.replace(reloadingEnd, ''), details: { reason } }) }) });
    try {
      await engine.tokenize(''); // is answered when the model is open again
      if (this.engine === engine && this.state.phase === 'loading') {
        this.set({ phase: 'ready', choice, engine });
        this.waiting.splice(0).forEach((w) => w.resolve(engine));
      }
    } catch (error) {
      if (this.engine === engine && this.state.phase === 'loading') {
        this.engine = undefined;
        this.set({ phase: 'failed', choice, error });
        this.rejectWaiting(error);
      }
    }
  }

  private async closeEngine(): Promise<void> {
    const { engine } = this;
    this.engine = undefined;
    await engine?.close();
  }

  /** Stops a download; what has arrived is kept. */
  pause(): void {
    if (this.state.phase === 'loading' && !this.state.paused) {
      this.abort?.abort();
      this.set({ ...this.state, paused: true });
    }
  }

  resume(): void {
    if (this.state.phase === 'loading' && this.state.paused) {
      void this.open(this.state.choice);
    }
  }

  /** Gives up loading. */
  cancel(): void {
    this.abort?.abort();
    void this.closeEngine();
    this.set({ phase: 'none' });
    this.rejectWaiting(new DOMException('cancelled', 'AbortError'));
  }

  /** The open model; waits for one that is being opened. */
  ready(signal: AbortSignal): Promise<Engine> {
    if (this.state.phase === 'ready') {
      return Promise.resolve(this.state.engine);
    }
    if (this.state.phase === 'failed') {
      return Promise.reject(this.state.error);
    }
    if (this.state.phase !== 'loading' && this.state.phase !== 'starting') {
      return Promise.reject(new Error(String(t('noModelChoose'))));
    }
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
  }

  private rejectWaiting(error: unknown): void {
    this.waiting.splice(0).forEach((w) => w.reject(error));
  }
}
