// What the app needs of an open model, wherever it runs.

import type { Gossamer, ModelInfo } from '../src/index.ts';

/** What the app needs of an open model. */
export interface Engine {
  readonly info: EngineInfo;
  readonly chat: { readonly completions: Pick<Gossamer['chat']['completions'], 'create'> };
  tokenize: Gossamer['tokenize'];
  close: Gossamer['close'];
}

export interface EngineInfo {
  model: string;
  /** Positions. */
  context: number;
  /** What runs it, in words; natively. */
  runsOn?: string;
  /** Of an engine in the browser. */
  inBrowser?: ModelInfo;
}
