// What the chat says of the published models before one is chosen. Nothing is fetched for it.

import { t } from './language.ts';
import type { Words } from './words.ts';

/** What is told of a model. */
export interface About {
  about: Words;
  /** Bytes of the GPU's memory in all, with the default context, on a GPU with the least limits. */
  memory: number;
}

export const offers: Record<string, About> = {
  'gpt-oss-20b': { about: t('about20b'), memory: 14_888_948_388 },
  'gpt-oss-120b': { about: t('about120b'), memory: 66_887_879_076 },
};
