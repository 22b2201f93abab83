// The language that the page speaks: its texts, and how it writes numbers, dates and sizes. English comes with the page, any other one when it
// is chosen.

import { directionOf, localeOf, mirrored, type Language } from './languages.ts';
import { en } from './texts/en.ts';
import type { Arguments, Entry, Key, Table, Value } from './texts/types.ts';
import { isolated, joined, put, rewrite, Words, type Said } from './words.ts';

const tables: Record<Exclude<Language, 'en'>, () => Promise<Table>> = {
  de: async () => (await import('./texts/de.ts')).de,
  es: async () => (await import('./texts/es.ts')).es,
  ja: async () => (await import('./texts/ja.ts')).ja,
  [mirrored]: async () => (await import('./texts/mirrored.ts')).mirror(en),
};

/** What is spoken now. */
let spoken: { language: Language; locale: string; table: Table } = { language: 'en', locale: 'en', table: en };
/** The last one that was asked for. */
let wanted: Language = 'en';
/** Formats of Intl, by what makes them. */
const formats = new Map<string, unknown>();

export function language(): Language {
  return spoken.language;
}

/**
 * Speaks a language from now on: everything that is shown is written again. Rejects where its texts cannot be loaded; the page goes on in
 * the language before.
 */
export async function speak(language: Language): Promise<void> {
  wanted = language;
  const root = document.documentElement;
  try {
    const table = language === 'en' ? en : await tables[language]();
    if (wanted !== language) {
      return; // another one was chosen meanwhile
    }
    spoken = { language, locale: localeOf(language, navigator.languages), table };
  } finally {
    formats.clear();
    root.lang = spoken.language;
    root.dir = directionOf(spoken.language);
    rewrite();
    delete root.dataset['untold'];
  }
}

/** A text of the page with its values. */
export function t<K extends Key>(key: K, ...[values]: Arguments<K>): Words {
  return new Words(() => fill(spoken.table[key], (values ?? {}) as Record<string, Value>));
}

function fill(entry: Entry, values: Record<string, Value>): string {
  const text = typeof entry === 'string' ? entry : entry[plural().select(values['n'] as number)] ?? entry.other;
  return text.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name]!;
    return typeof value === 'number' ? digits(0).format(value) : isolated(String(value));
  });
}

function kept<T>(name: string, make: (locale: string) => T): T {
  let format = formats.get(name) as T | undefined;
  if (format === undefined) {
    formats.set(name, (format = make(spoken.locale)));
  }
  return format;
}

const plural = () => kept('plural', (locale) => new Intl.PluralRules(locale));
const digits = (n: number) => kept(`digits ${n}`, (locale) => new Intl.NumberFormat(locale, { minimumFractionDigits: n, maximumFractionDigits: n }));

/** A number with so many digits behind its point. */
export function number(n: number, fraction = 0): Words {
  return new Words(() => digits(fraction).format(n));
}

/** A part of a whole, in per cent. */
export function percent(part: number): Words {
  return new Words(() => kept('percent', (locale) => new Intl.NumberFormat(locale, { style: 'percent' })).format(part));
}

/** A date, a time or both. */
export function date(time: Date | number, options: Intl.DateTimeFormatOptions): Words {
  return new Words(() => isolated(kept(`date ${JSON.stringify(options)}`, (locale) => new Intl.DateTimeFormat(locale, options)).format(time)));
}

/** So many bytes, in the units of the package's own formatBytes. */
export function bytes(n: number): Words {
  const units = ['KiB', 'MiB', 'GiB'];
  if (n < 1024) {
    return t('bytes', { n: Math.round(n) });
  }
  let i = 0;
  for (n /= 1024; n >= 1024 && i < units.length - 1; i++) {
    n /= 1024;
  }
  return new Words(() => isolated(`${digits(n >= 100 ? 0 : 1).format(n)} ${units[i]}`));
}

/** Milliseconds, in seconds or minutes. */
export function duration(ms: number): Words {
  const s = ms / 1000;
  if (s < 60) {
    return t('seconds', { s: number(s, s < 10 ? 1 : 0) });
  }
  return t('minutes', { min: Math.floor(s / 60), s: Math.round(s % 60) });
}

/** Several sentences, those that are there. */
export function sentences(...parts: (Said | undefined | false)[]): Words {
  return joined(parts, t('betweenSentences'));
}

/** Words in the order of the language. */
export function compare(a: Words | string, b: Words | string): number {
  return kept('order', (locale) => new Intl.Collator(locale)).compare(String(a), String(b));
}

/** Fills the parts of the page's HTML that have texts: data-text is of the element itself, data-text-NAME of the attribute NAME. */
export function fillPage(): void {
  for (const element of document.querySelectorAll<HTMLElement>('[data-text], [data-text-label], [data-text-placeholder]')) {
    for (const [name, key] of Object.entries(element.dataset)) {
      const target = { text: 'text', textLabel: 'aria-label', textPlaceholder: 'placeholder' }[name];
      if (target) {
        put(element, target, t(key as 'send'));
      }
    }
  }
}
