// The models that the chat offers, and the names of models.

import { modelName, models } from '../src/index.ts';
import { t } from './language.ts';
import { offers } from './offers.ts';
import type { Said } from './words.ts';

/** A model that is offered. */
export interface Offer {
  url: string;
  name: string;
  about: Said;
  /** Bytes of its weights; undefined: so few that nobody needs to know. */
  bytes?: number;
  /** Bytes of the GPU's memory that it takes in all, with the default context. */
  memory?: number;
}

/** The built-in model. */
export const nano: Offer = {
  url: new URL('nano/', document.baseURI).href, name: 'gossamer-nano', about: t('builtIn'),
};

export const published: Offer[] = [nano, ...models.map((m) => ({ ...m, ...offers[m.name]! }))];

/** Whether so many bytes are not downloaded without a question. */
export function isLarge(bytes: number): boolean {
  return bytes > 100e6;
}

/** The name under which a model is shown. */
export function nameOf(url: string): string {
  const known = published.find((p) => url === p.url || url === `${p.url}manifest.json`);
  if (known) {
    return known.name;
  }
  try {
    return modelName(new URL(url, document.baseURI).href);
  } catch {
    return url;
  }
}
