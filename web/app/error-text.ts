// Errors in words for visitors: what went wrong, and what they can do about it.

import { RuntimeError, type RuntimeErrorCode } from '../src/index.ts';
import { sentences, t } from './language.ts';
import { en } from './texts/en.ts';
import { Words, type Said } from './words.ts';

/** An error in a sentence, and what one can do about it in another. */
export function errorText(error: unknown): Words {
  const { message, hint, code } = error as { message?: string; hint?: string; code?: RuntimeErrorCode };
  const text = (message ?? String(error)).replace(/\b([0-9a-f]{8})[0-9a-f]{24,}\b/g, '$1…'); // hashes are long and tell visitors little
  const told = isCode(code) ? t(`fault-${code}`, { message: text }) : text;
  const sentence = new Words(() => capital(String(told)));
  const advice = hint && adviceOf(hint, code);
  return advice ? sentences(new Words(() => String(sentence).replace(/[.。]$/, '') + t('fullStop')), advice) : sentence;
}

/** What hints for developers mean to visitors; undefined: nothing. A hint of its own stays as it is. */
function adviceOf(hint: string, code: RuntimeErrorCode | undefined): Said | undefined {
  if (!isCode(code) || hint !== new RuntimeError(code, '').hint) {
    return hint;
  }
  return code === 'bad-request' ? undefined : t(`hint-${code}`);
}

const isCode = (code: string | undefined): code is RuntimeErrorCode => code !== undefined && `fault-${code}` in en;

/** A sentence's first letter. What begins with a URL stays as it is. */
function capital(text: string): string {
  return /^[\w+.-]+:\/\//.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1);
}
