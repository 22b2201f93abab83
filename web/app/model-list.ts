// What models there are for a visitor: those that are offered and those that this browser keeps, and what tabs have open.

import { listModels, type StoredModel } from '../src/index.ts';
import { manifestURL } from '../src/shared/manifest.ts';
import { names } from '../src/shared/protocol.ts';
import { nameOf, published, type Offer } from './catalogue.ts';
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
  const [stored, running] = await Promise.all([listModels().catch(() => []), runningModels()]);
  const byURL = new Map(stored.map((s) => [s.url, s]));
  const offered = published.map((p) => ({ ...p, manifest: manifestOf(p.url) }));
  const others = stored.filter((s) => !offered.some((o) => o.manifest === s.url)).map((s) => ({
    url: s.url, name: nameOf(s.url), manifest: s.url, bytes: s.bytes, about: s.url.startsWith('local:') ? 'A copy of files of this device.' : hostOf(s.url),
  }));
  return [...offered, ...others].map((o) => ({ ...o, stored: byURL.get(o.manifest), isRunning: running.has(o.manifest) }));
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

/** Manifests of the models that tabs of this browser have open, as the locks that they hold tell. */
async function runningModels(): Promise<Set<string>> {
  const { held = [] } = (await navigator.locks?.query().catch(() => undefined)) ?? {};
  const prefix = names.engine('');
  return new Set(held.flatMap(({ name }) => (name?.startsWith(prefix) ? [name.slice(prefix.length)] : [])));
}

/** Where a model comes from, without what all its URLs have in common. */
function hostOf(url: string): string {
  return url.replace(/\/manifest\.json$/, '/').replace(/^https?:\/\//, '');
}
