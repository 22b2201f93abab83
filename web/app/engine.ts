// How the app gets its engine: the one place that decides it.

import { create } from '../src/index.ts';
import type { Engine } from './engine-types.ts';
import { bytes, t } from './language.ts';
import { openNative } from './native.ts';
import { joined, type Said } from './words.ts';

/** Set when the page is built for the program gossamer, which runs the models itself. */
declare const NATIVE: boolean | undefined;
export const isNative = typeof NATIVE !== 'undefined' && NATIVE === true;

export type EngineOptions = Parameters<typeof create>[0];

/** Opens a model, or finds it open in another tab or in the program. Rejects with RuntimeError, or with the signal's reason. */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  if (isNative) {
    return openNative(String(options.model), options.signal);
  }
  const ai = await create({ share: true, ...options });
  return {
    get info() {
      return { model: ai.info.model, context: ai.info.context, inBrowser: ai.info };
    },
    chat: ai.chat,
    tokenize: (text, o) => ai.tokenize(text, o),
    close: () => ai.close(),
  };
}

/** What an open model takes, in a few words. */
export function aboutEngine({ info }: Engine): Said {
  if (!info.inBrowser) {
    return info.runsOn ?? '';
  }
  const { weights, kv, scratch } = info.inBrowser.memory;
  const size = bytes(weights + kv + scratch);
  const memory = info.inBrowser.backend === 'cpu' ? t('onProcessor', { size }) : t('gpuMemoryOf', { size });
  return joined([memory, !info.inBrowser.verified && t('notVerified')], ' · ');
}
