// The languages of the page, and which of them it speaks. early.ts needs this before anything else is loaded.

/** The languages that there are texts for, in their own names. */
export const languages = { en: 'English', de: 'Deutsch', es: 'Español', ja: '日本語' } as const;

/** English as it would be written from right to left, at ?lang=ar-XB: tests and translators see by it what a page looks like that does. */
export const mirrored = 'ar-XB';

export type Language = keyof typeof languages | typeof mirrored;

/** Languages that are written from right to left. */
const fromRight = ['ar', 'fa', 'he', 'ur', 'yi', 'ps', 'ckb', 'dv', 'ug'];

const baseOf = (tag: string) => tag.toLowerCase().split('-')[0]!;

function find(tag: string): Language | undefined {
  return tag === mirrored ? tag : (Object.keys(languages) as Language[]).find((l) => l === baseOf(tag));
}

/** The language that the address asks for, or that is set, or else the first of the visitor's that there is, or English. */
export function chooseLanguage(asked: string | null, set: string | undefined, preferred: readonly string[]): Language {
  for (const tag of [asked ?? '', set ?? '', ...preferred]) {
    const found = find(tag);
    if (found) {
      return found;
    }
  }
  return 'en';
}

export function directionOf(language: string): 'ltr' | 'rtl' {
  return fromRight.includes(baseOf(language)) ? 'rtl' : 'ltr';
}

/** How numbers and dates are written: as where the visitor lives, if the language is spoken there. */
export function localeOf(language: Language, preferred: readonly string[]): string {
  return language === mirrored ? 'en' : preferred.find((tag) => baseOf(tag) === language) ?? language;
}
