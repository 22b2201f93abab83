// How the app gets its engine: the one place that decides it.

import { create, type Gossamer } from '../src/index.ts';

/** What the app needs of an open model. */
export type Engine = Pick<Gossamer, 'info' | 'chat' | 'models' | 'tokenize' | 'detokenize' | 'close'>;
export type EngineOptions = Parameters<typeof create>[0];

/** Opens a model, or finds it open in another tab. Rejects with RuntimeError, or with the signal's reason. */
export function createEngine(options: EngineOptions): Promise<Engine> {
  return create({ share: true, ...options });
}
