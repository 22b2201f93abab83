// Errors in words for visitors: what went wrong, and what they can do about it. The package gives reasons by their names, and hints in fixed
// sentences; where it gives no reason, its English is shown behind the kind of error.

import type { Reason, RuntimeErrorCode, RuntimeErrorDetails, Verdict } from '../src/index.ts';
import { bytes, sentences, t } from './language.ts';
import { en } from './texts/en.ts';
import type { Key } from './texts/types.ts';
import { isolated, joined, Words } from './words.ts';

/** What is known of an error. */
interface Fault {
  message?: string;
  hint?: string | undefined;
  code?: RuntimeErrorCode | undefined;
  details?: Pick<RuntimeErrorDetails, 'reason' | 'api'>;
}

/** An error in a sentence, and what one can do about it in another. */
export function errorText(error: unknown): Words {
  const { message, hint, code, details } = error as Fault;
  const told = reasonText(details) ?? englishText(message ?? String(error), code);
  const sentence = new Words(() => capital(String(told)));
  const advice = hint && adviceOf(hint);
  return advice ? sentences(new Words(() => String(sentence).replace(/[.。]$/, '') + t('fullStop')), advice) : sentence;
}

/** What is to be said of a browser or a model, and what one can do about it. */
export function verdictText({ cause, fix, code, reason }: Verdict): Words {
  return errorText({ message: cause, hint: fix, code, details: { reason } } satisfies Fault);
}

/** The reason of an error; undefined: it has none that is known here. */
function reasonText({ reason, api }: Fault['details'] = {}): Words | undefined {
  if (reason && `reason-${reason.name}` in en) {
    const sentence = t(`reason-${reason.name}` as 'reason-answers', valuesOf(reason) as { status: number });
    return reason.url === undefined ? sentence : joined([reason.url, sentence], ': ');
  }
  const code = api?.error.code;
  return code && `api-${code}` in en ? t(`api-${code}` as 'api-timeout') : undefined;
}

function valuesOf({ values }: Reason) {
  return Object.fromEntries(Object.entries(values).map(([name, v]) => [name, typeof v === 'object' ? bytes(v.bytes) : typeof v === 'string' ? shortened(v) : v]));
}

function englishText(message: string, code: RuntimeErrorCode | undefined): Words {
  const text = shortened(message);
  return isCode(code) ? t(`fault-${code}`, { message: text }) : new Words(() => isolated(text));
}

/** A text without most of its hashes, which are long and tell visitors little. */
const shortened = (text: string) => text.replace(/\b([0-9a-f]{8})[0-9a-f]{24,}\b/g, '$1…');

/** Hints for developers, and what they mean to visitors; undefined: nothing. */
const forDevelopers: Record<string, Words | undefined> = { 'Call create() again.': t('openAgain'), 'Correct the request.': undefined };

function adviceOf(hint: string): Words | undefined {
  if (hint in forDevelopers) {
    return forDevelopers[hint];
  }
  const key = (Object.keys(en) as Key[]).find((k) => k.startsWith('hint-') && en[k] === hint);
  return key ? t(key as 'send') : new Words(() => isolated(hint));
}

const isCode = (code: string | undefined): code is RuntimeErrorCode => code !== undefined && `fault-${code}` in en;

/** A sentence's first letter. What begins with a URL stays as it is. */
function capital(text: string): string {
  return /^\u2068?[\w+.-]+:\/\//.test(text) ? text : text.replace(/^(\u2068?)(\p{L})/u, (_, mark: string, letter: string) => mark + letter.toUpperCase());
}
