// Errors in words for visitors: what went wrong, and what they can do about it. The package tells both in English; what it says in fixed sentences
// is in the tables too, of the rest the kind of error is told before it.

import type { RuntimeErrorCode } from '../src/index.ts';
import { sentences, t } from './language.ts';
import { en } from './texts/en.ts';
import type { Key } from './texts/types.ts';
import { isolated, Words } from './words.ts';

/** An error in a sentence, and what one can do about it in another. */
export function errorText(error: unknown): Words {
  const { message, hint, code } = error as { message?: string; hint?: string; code?: RuntimeErrorCode };
  const text = (message ?? String(error)).replace(/\b([0-9a-f]{8})[0-9a-f]{24,}\b/g, '$1…'); // hashes are long and tell visitors little
  const told = saying('cause', text) ?? (isCode(code) ? t(`fault-${code}`, { message: text }) : new Words(() => isolated(text)));
  const sentence = new Words(() => capital(String(told)));
  const advice = hint && adviceOf(hint);
  return advice ? sentences(new Words(() => String(sentence).replace(/[.。]$/, '') + t('fullStop')), advice) : sentence;
}

/** Hints for developers, and what they mean to visitors; undefined: nothing. */
const forDevelopers: Record<string, Words | undefined> = { 'Call create() again.': t('openAgain'), 'Correct the request.': undefined };

function adviceOf(hint: string): Words | undefined {
  return hint in forDevelopers ? forDevelopers[hint] : saying('hint', hint) ?? new Words(() => isolated(hint));
}

/** A fixed sentence of the package, by its English; undefined: it is none of those. */
function saying(kind: 'cause' | 'hint', sentence: string): Words | undefined {
  const key = (Object.keys(en) as Key[]).find((k) => k.startsWith(`${kind}-`) && en[k] === sentence);
  return key && t(key as 'send');
}

const isCode = (code: string | undefined): code is RuntimeErrorCode => code !== undefined && `fault-${code}` in en;

/** A sentence's first letter. What begins with a URL stays as it is. */
function capital(text: string): string {
  return /^\u2068?[\w+.-]+:\/\//.test(text) ? text : text.replace(/^(\u2068?)(\p{L})/u, (_, mark: string, letter: string) => mark + letter.toUpperCase());
}
