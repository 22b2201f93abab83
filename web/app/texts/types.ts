// What a table of texts is: en.ts has all of them, and the other languages have the same ones with the same places for values, or they do
// not compile.

import type { en } from './en.ts';

/** A text, or one for each form of a number that the language has: {n} is the number. */
export type Entry = string | ({ other: string } & Partial<Record<Intl.LDMLPluralRule, string>>);

export type English = typeof en;
export type Key = keyof English;

/** A table, as it is read. */
export type Table = Record<Key, Entry>;

/** The names of the values of a text: 'name' | 'size' of "{name} takes {size}". */
type Names<S> = S extends `${string}{${infer N}}${infer Rest}` ? N | Names<Rest> : never;

/** Texts that have places for these values, in any order. */
type With<N extends string, All extends string = N> = [N] extends [never] ? string : { [K in All]: WithOne<K, Exclude<All, K>> }[All];
type WithOne<N extends string, Rest extends string> = [Rest] extends [never] ? `${string}{${N}}${string}` : `${string}{${N}}${With<Rest>}`;

/** The values of an entry besides its number. */
type Others<E> = E extends string ? Names<E> : Exclude<Names<E[keyof E]>, 'n'>;

type Translated<E, Forms extends Intl.LDMLPluralRule> = E extends string
  ? With<Names<E>>
  : { [F in Exclude<Forms, 'other'>]: With<Others<E>> } & { other: With<Others<E> | 'n'> };

/** The table of a language whose numbers have these forms, as Intl.PluralRules tells. */
export type Translation<Forms extends Intl.LDMLPluralRule> = { [K in Key]: Translated<English[K], Forms> };

/** What the values of a text are: numbers are written as the language writes them. */
export type Value = string | number | { toString(): string };

type ValuesOf<E> = E extends string ? { [N in Names<E>]: Value } : { n: number } & { [N in Others<E>]: Value };

/** What goes with a key: nothing, or its values. */
export type Arguments<K extends Key> = K extends Key
  ? English[K] extends string ? ([Names<English[K]>] extends [never] ? [] : [values: ValuesOf<English[K]>]) : [values: ValuesOf<English[K]>]
  : never;
