// What visitors have set, in localStorage. Nothing of it leaves the browser.

import { defaultOptions, type Options } from './conversation.ts';
import type { Language } from './languages.ts';

/** A function of the visitor's own, whose results they write. */
export interface UserFunction {
  name: string;
  description: string;
  /** JSON schema of an object, as text. */
  parameters: string;
}

/** A system prompt that the visitor keeps. */
export interface Preset {
  name: string;
  prompt: string;
}

export interface Settings {
  theme: 'system' | 'light' | 'dark';
  /** early.ts reads it too. */
  language: 'system' | Language;
  /** URL of the model that was open last; empty: the built-in one. */
  model: string;
  /** Positions; undefined: the default. */
  context?: number | undefined;
  functions: UserFunction[];
  presets: Preset[];
  /** The model makes titles of conversations. */
  titles: boolean;
  /** Of the next new conversation. */
  options: Options;
}

const key = 'gossamer-settings';

export function loadSettings(): Settings {
  let stored: Partial<Settings> = {};
  try {
    stored = JSON.parse(localStorage.getItem(key) ?? '{}') as Partial<Settings>;
  } catch {
    // damaged, or this window keeps nothing
  }
  return { theme: 'system', language: 'system', model: '', functions: [], presets: [], titles: true, ...stored, options: { ...defaultOptions, ...stored.options } };
}

export function saveSettings(settings: Settings): void {
  try {
    localStorage.setItem(key, JSON.stringify(settings));
  } catch {
    // Then they last as long as the page.
  }
}
