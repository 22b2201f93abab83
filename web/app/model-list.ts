// What models there are for a visitor: those that are offered and those that this browser keeps, and what tabs have open.

import { listModels, manifestURL, openModels, type StoredModel } from '../src/index.ts';
import { nameOf, published, type Offer } from './catalogue.ts';
import { t } from './language.ts';
import type { ModelHost } from './model.ts';

/** A model, as the dialog lists it. */
export interface Entry extends Offer {
  /** URL of its manifest, by which it is known. */
  manifest: string;
  stored: StoredModel | undefined;
  /** Whether any tab has it open. */
  isRunning: boolean;
}

/** The offered models, then others that are stored, the one used last first. */
export async function listEntries(): Promise<Entry[]> {
  const [stored, open] = await Promise.all([listModels().catch(() => []), openModels().catch((): string[] => [])]);
  const byURL = new Map(stored.map((s) => [s.url, s]));
  const offered = published.map((p) => ({ ...p, manifest: manifestOf(p.url) }));
  const others = stored.filter((s) => !offered.some((o) => o.manifest === s.url)).map((s) => ({
    url: s.url, name: nameOf(s.url), manifest: s.url, bytes: s.bytes,
    about: s.url.startsWith('local:') ? t('copyOfFiles') : hostOf(s.url),
  }));
  return [...offered, ...others].map((o) => ({ ...o, stored: byURL.get(o.manifest), isRunning: open.includes(o.manifest) }));
}

/** URL of the manifest of a model; what is no URL is left as it is. */
export function manifestOf(model: string): string {
  try {
    return manifestURL(model, document.baseURI);
  } catch {
    return model;
  }
}

/** The manifest of the model that is open, or being opened, here. */
export function manifestHere({ state }: ModelHost): string | undefined {
  const opened = state.phase === 'ready' ? state.engine.info.inBrowser?.url : undefined;
  if (opened) {
    return opened;
  }
  return 'choice' in state && typeof state.choice.model === 'string' ? manifestOf(state.choice.model) : undefined;
}

/** Where a model comes from, without what all its URLs have in common. */
function hostOf(url: string): string {
  return url.replace(/\/manifest\.json$/, '/').replace(/^https?:\/\//, '');
}
