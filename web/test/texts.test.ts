// The texts of the app: all of them are in the tables, in each language, and are used; and its styles know no left and right.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chooseLanguage, directionOf, languages, localeOf } from '../app/languages.ts';
import { errorText } from '../app/error-text.ts';
import { bytes, duration, number, speak, t } from '../app/language.ts';
import { de } from '../app/texts/de.ts';
import { en } from '../app/texts/en.ts';
import { es } from '../app/texts/es.ts';
import { ja } from '../app/texts/ja.ts';
import { mirror } from '../app/texts/mirrored.ts';
import type { Entry, Table, Translation } from '../app/texts/types.ts';
import { style } from '../src/chat/style.ts';
import { errorOf, fromWire, RuntimeError, toWire } from '../src/shared/errors.ts';
import { reasons } from '../src/shared/reasons.ts';
import { findLiterals } from './literals.ts';

// The bundled tests lie in web/dist/test.
const web = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const app = join(web, 'app');
const sources = readdirSync(app).filter((f) => f.endsWith('.ts')).map((name) => ({ name, text: readFileSync(join(app, name), 'utf8') }));
const pages = ['index.html', 'bench.html'].map((name) => ({ name, text: readFileSync(join(app, name), 'utf8') }));
const tables: Record<string, Table> = { en, de, es, ja };
const textsOf = (e: Entry) => (typeof e === 'string' ? [e] : Object.values(e) as string[]);
const placesIn = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!).sort();

/** Hints of which a visitor of the page gets no use, nor meets the error. */
const forDevelopers = /^(Call this in a page|Call create|Give the URL of a model, or the name|Load the script with|Open that model|Those that a reload|Open the model in another tab|Serve )/;
/** Sources whose words are for the model, or for programs that it writes. */
const forTheModel = ['calculator.ts', 'sandbox.ts'];
/** Literals that are no texts of the page, by their source. */
const noTexts: Record<string, { why: string; texts: RegExp }> = {
  'bench-measure.ts': { why: 'what the model is asked', texts: /Tell a long story|^(paper|river|stone|light|garden|winter|silver|morning)$/ },
  'clipboard.ts': { why: 'is caught at once', texts: /^nothing was copied$/ },
  'code-colours.ts': { why: 'a tag of HTML', texts: /^<span class=/ },
  'conversation.ts': { why: 'what the model is shown', texts: /^File \{\}:/ },
  'conversation-view.ts': { why: 'what the built-in model has learnt, which speaks English only; the name of the program', texts: /^(What is 17 \+ 25\?|How many hours are in 3 days\?|Who are you\?|\{\} · Gossamer|Gossamer)$/ },
  'bench.ts': { why: 'the name of the program', texts: /^Gossamer$/ },
  'draft-files.ts': { why: 'an error for developers', texts: /^the browser has ended the transaction$/ },
  'focus-keeper.ts': { why: 'a selector', texts: /^a\[href\], button/ },
  'foreign.ts': { why: 'tags of HTML', texts: /^<details type/ },
  'languages.ts': { why: 'names of languages, in themselves', texts: /^(English|Deutsch|Español)$/ },
  'markdown.ts': { why: 'tags of HTML', texts: /^</ },
  'model-dialog.ts': { why: 'an example of a URL, and of a command', texts: /^https:\/\/example\.org\/gpt-oss-20b\/$|^gossamer pack / },
  'native-models.ts': { why: 'a command', texts: /^gossamer --model / },
  'native.ts': { why: 'a header of HTTP', texts: /^Bearer \{\}$/ },
  'panel.ts': { why: 'keys, and an example of a name', texts: /^(Enter|Esc|Ctrl\+Shift\+O|Ctrl\+K|get_weather)$/ },
  'plot.ts': { why: 'a font; the names of the program and of what it runs on', texts: /^(system-ui, sans-serif|WebGPU|\{\} · \{\} · Gossamer)$/ },
  'sandbox-client.ts': { why: 'the model reads the result', texts: /^the sandbox did not answer$|^Error: |cut off/ },
  'service-worker.ts': { why: 'an error for developers', texts: /the host answers/ },
  'store.ts': { why: 'an error for developers', texts: /^the browser has ended the transaction$/ },
  'titles.ts': { why: 'what the model is shown, and asked', texts: /^Question: |^\nFile: |Give this conversation a title/ },
  'tools.ts': { why: 'the model reads what functions do, and what fails', texts: /^(Evaluate an|The expression|Get the current|Run JavaScript|The program|the argument|Error: )/ },
  'turn-lock.ts': { why: 'the name of a lock', texts: /^gossamer turn \{\}$/ },
  'unsupported.ts': { why: 'names of browsers', texts: /^(Chrome, Edge, Opera|Safari|Firefox|WebGPU)$/ },
};

describe('literals', () => {
  test('that people read are in the tables', () => {
    const found = sources.filter(({ name }) => !forTheModel.includes(name)).flatMap(({ name, text }) => findLiterals(name, text)
      .filter((l) => !noTexts[name]?.texts.test(l.text)).map((l) => `${name}:${l.line}: ${JSON.stringify(l.text)}`));
    assert.deepEqual(found, [], 'put them into app/texts/en.ts, and name them by t()');
  });

  test('that are named here are there', () => {
    const isThere = (name: string) => findLiterals(name, sources.find((s) => s.name === name)?.text ?? '').some((l) => noTexts[name]!.texts.test(l.text));
    assert.deepEqual(Object.keys(noTexts).filter((name) => !isThere(name)), []);
  });

  test('are found wherever they are shown', () => {
    const read: [string, string][] = [
      ["h('p', {}, 'word')", 'word'], ["h('p', { title: 'word' })", 'word'], ["iconButton('copy', ok ? 'done' : name, f)", 'done'], ["toast(`${n} left`)", '{} left'],
      ["e.textContent = a ?? 'word'", 'word'], ["e.setAttribute('aria-label', 'word')", 'word'], ["put(e, 'text', 'word')", 'word'],
      ["throw new Error('This is wrong.')", 'This is wrong.'], ["const names = ['Today']", 'Today'], ["return 'two words'", 'two words'], ["h('p', {}, ...['word'].map(f))", 'word'],
    ];
    for (const [source, text] of read) {
      assert.deepEqual(findLiterals('x.ts', source).map((l) => l.text), [text], source);
    }
    for (const source of ["h('div', { class: 'card failed' })", "e.querySelector('main .card')", "import { a } from './b.ts'", "if (key === 'Escape') {}", "byId('text')", "t('send')", "e.setAttribute('class', 'a b')"]) {
      assert.deepEqual(findLiterals('x.ts', source), [], source);
    }
  });

  test('of the pages are in the tables', () => {
    for (const { name, text } of pages) {
      const body = text.replace(/<!doctype[^>]*>|<script[^]*?<\/script>|<meta http-equiv[^>]*>/g, '');
      const shown = [...body.matchAll(/>([^<]*\p{L}[^<]*)</gu), ...body.matchAll(/\s(?:title|placeholder|aria-label|alt)="([^"]+)"/g)].map(([, words]) => words!.trim());
      assert.deepEqual(shown.filter((words) => !/^(Gossamer|\{\w+\}|\{\w+\} · Gossamer)$/.test(words)), [], name);
    }
  });
});

describe('the tables', () => {
  test('have no text that nothing uses', () => {
    const uses = new Set<string>();
    const patterns: RegExp[] = [];
    for (const { text } of sources) {
      for (const [, key] of text.matchAll(/'([\w-]+)'/g)) {
        uses.add(key!);
      }
      for (const [, pattern] of text.matchAll(/\bt\(`([^`]+)`/g)) {
        patterns.push(new RegExp(`^${pattern!.replace(/\$\{[^}]+\}/g, '[\\w-]+')}$`));
      }
    }
    for (const { text } of pages) {
      for (const [, key] of text.matchAll(/data-text[\w-]*="(\w+)"|\{(\w+)\}/g)) {
        uses.add(key!);
      }
      for (const [, key] of text.matchAll(/\{(\w+)\}/g)) {
        uses.add(key!);
      }
    }
    // Sentences of the package are found by their English; the next test has them.
    const isSaying = (key: string) => key.startsWith('hint-');
    assert.deepEqual(Object.keys(en).filter((key) => !uses.has(key) && !isSaying(key) && !patterns.some((p) => p.test(key))), []);
  });

  test('have the sentences of the package as it says them', () => {
    const folder = join(web, 'src');
    const src = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.ts')).map((f) => readFileSync(join(folder, f), 'utf8')).join();
    const sayings = Object.entries(en as Table).filter(([key]) => key.startsWith('hint-')).map(([, text]) => text as string);
    assert.ok(sayings.length > 20);
    assert.deepEqual(sayings.filter((text) => !src.replaceAll("\\'", "'").includes(text)), []);
    // And each hint that is no developer's.
    const hints = [...src.matchAll(/\bhint: '((?:[^'\\]|\\.)*)'/g)].map(([, hint]) => hint!.replaceAll("\\'", "'"));
    assert.ok(hints.length > 10);
    assert.deepEqual(hints.filter((hint) => !sayings.includes(hint) && !forDevelopers.test(hint)), []);
  });

  test('have each kind of error and each reason of the package, in each language', () => {
    const errors = readFileSync(join(web, 'src/shared/errors.ts'), 'utf8');
    const kinds = [...errors.slice(0, errors.indexOf('const hints')).matchAll(/^  \| '([\w-]+)'/gm)].map(([, code]) => `fault-${code}`);
    assert.ok(kinds.length > 10);
    assert.deepEqual(Object.keys(en).filter((key) => key.startsWith('fault-')).sort(), kinds.sort());
    assert.deepEqual(Object.fromEntries(Object.entries(en).filter(([key]) => key.startsWith('reason-'))),
      Object.fromEntries(Object.entries(reasons).map(([name, sentence]) => [`reason-${name}`, sentence])));
    for (const [language, table] of Object.entries(tables).filter(([language]) => language !== 'en')) {
      const said = Object.keys(en).filter((key) => /^(fault|reason|api|hint)-/.test(key));
      assert.deepEqual(said.filter((key) => table[key as 'send'] === undefined || table[key as 'send'] === en[key as 'send']), [], language);
    }
  });

  test('have the codes of the API that a visitor can meet', () => {
    const go = ['runtime/wire/failure.go', 'runtime/server/health.go', 'runtime/server/reply.go'].map((f) => readFileSync(join(web, '..', f), 'utf8')).join();
    for (const key of Object.keys(en).filter((key) => key.startsWith('api-'))) {
      assert.ok(go.includes(`"${key.slice(4)}"`), key);
    }
  });

  test('say errors in the language of the page, and in English where they have no reason', async () => {
    const error = errorOf('download', 'answers', { status: 404 }, { url: 'https://host/m.json', hint: 'Check the model\'s URL: this file is not there.' });
    const sent = fromWire(structuredClone(toWire(error)));
    const large = errorOf('limits', 'too-large', { got: { bytes: 13 * 2 ** 30 }, want: { bytes: 2 ** 30 } });
    const long = new RuntimeError('bad-request', 'the messages are 9 tokens', { api: { status: 400, error: { message: '', type: '', param: 'messages', code: 'context_length_exceeded' } } });
    const said = () => [sent, large, long, new RuntimeError('internal', 'panic: x')].map((e) => String(errorText(e)));
    assert.deepEqual(said(), [
      'https://host/m.json: the host answers 404. Check the model\'s URL: this file is not there.',
      'The model has 13.0 GiB of weights, and without a GPU only models of up to 1.0 GiB can be computed. Use a more capable GPU or a smaller model or context.',
      'The conversation is longer than the context has room for: start a new one, or open the model with more context',
      'Panic: x. Load the model again; if it happens again, please report it.',
    ]);
    // What language.ts takes of a page.
    const before = ['document', 'navigator'].map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const);
    Object.defineProperty(globalThis, 'document', { value: { documentElement: { dataset: {} } }, configurable: true });
    Object.defineProperty(globalThis, 'navigator', { value: { languages: ['de'] }, configurable: true });
    try {
      await speak('de');
      assert.deepEqual(said(), [
        'https://host/m.json: der Server antwortet mit 404. Prüfe die URL des Modells: Diese Datei ist nicht da.',
        'Das Modell hat 13,0 GiB Gewichte, und ohne GPU können nur Modelle bis 1,0 GiB berechnet werden. Verwende eine stärkere GPU, ein kleineres Modell oder weniger Kontext.',
        'Die Unterhaltung ist länger, als in den Kontext passt: Beginne eine neue oder öffne das Modell mit mehr Kontext',
        'Ein Fehler des Programms: panic: x. Lade das Modell erneut; wenn es wieder passiert, melde es bitte.',
      ]);
    } finally {
      await speak('en');
      before.forEach(([name, property]) => (property ? Object.defineProperty(globalThis, name, property) : Reflect.deleteProperty(globalThis, name)));
    }
  });

  test('have what the pages name', () => {
    for (const { name, text } of pages) {
      const keys = [...text.matchAll(/data-text[\w-]*="(\w+)"/g), ...text.matchAll(/\{(\w+)\}/g)].map(([, key]) => key!);
      assert.ok(keys.length > 0, name);
      assert.deepEqual(keys.filter((key) => typeof (en as Table)[key as 'send'] !== 'string'), [], name);
    }
  });

  for (const [language, table] of Object.entries(tables)) {
    test(`in ${language} put the same values into each text, and have a form for each kind of number`, () => {
      const { pluralCategories } = new Intl.PluralRules(language).resolvedOptions();
      for (const [key, entry] of Object.entries(table)) {
        const english: Entry = (en as Table)[key as 'send'];
        const want = placesIn(textsOf(english).at(-1)!);
        assert.deepEqual(placesIn(textsOf(entry).at(-1)!), want, key);
        for (const text of textsOf(entry)) {
          assert.deepEqual(placesIn(text).filter((place) => !want.includes(place)), [], `${key}: ${text}`);
          assert.equal(text.trim() === '' && !['betweenSentences'].includes(key), false, `${key} is empty`);
        }
        if (typeof entry !== 'string') {
          assert.deepEqual(Object.keys(entry).sort(), [...pluralCategories].sort(), key);
        }
      }
      assert.ok(language in languages);
    });
  }

  test('do not compile where something is missing', () => {
    const all = { ...de };
    // @ts-expect-error: a key is missing
    ({ send: 'Senden' }) satisfies Translation<'other'>;
    // @ts-expect-error: a key is unknown
    ({ ...all, nothing: 'x' }) satisfies Translation<'one' | 'other'> & { nothing?: never };
    // @ts-expect-error: a value is missing
    ({ ...all, removeFile: 'Datei entfernen' }) satisfies Translation<'one' | 'other'>;
    // @ts-expect-error: a form is missing
    ({ ...all, tokens: { other: '{n} Token' } }) satisfies Translation<'one' | 'other'>;
    // @ts-expect-error: there is no such text
    t('nothing');
    // @ts-expect-error: it has a value
    t('removeFile');
    // @ts-expect-error: the value has another name
    t('removeFile', { file: 'x' });
    // @ts-expect-error: it has none
    t('send', { n: 1 });
    // @ts-expect-error: numbers are numbers
    t('tokens', { n: 'one' });
    assert.equal(String(t('removeFile', { name: 'x' })), 'Remove x');
  });

  test('mirrored are English whose words are turned, with the same values', () => {
    const mirrored = mirror(en);
    assert.deepEqual(Object.keys(mirrored), Object.keys(en));
    assert.equal(String(mirrored.removeFile), '\u200f\u202eRemove\u202c\u200f {name}');
    assert.deepEqual(mirrored.tokens, { one: '{n} \u200f\u202etoken\u202c\u200f', other: '{n} \u200f\u202etokens\u202c\u200f' });
  });
});

describe('the language', () => {
  test('is the one that is asked for, that is set, or that the browser prefers', () => {
    assert.equal(chooseLanguage(null, 'system', ['fr-FR', 'de-AT', 'en']), 'de');
    assert.equal(chooseLanguage(null, 'ja', ['de']), 'ja');
    assert.equal(chooseLanguage('es-419', 'ja', ['de']), 'es');
    assert.equal(chooseLanguage('EN-gb', undefined, ['de']), 'en');
    assert.equal(chooseLanguage('tlh', 'xx', ['fr', 'zh']), 'en');
    assert.equal(chooseLanguage('ar-XB', 'de', []), 'ar-XB');
    assert.equal(chooseLanguage('ar', 'system', ['de']), 'de');
    assert.equal(chooseLanguage('constructor', 'toString', []), 'en');
  });

  test('has a direction, and formats as where the visitor lives', () => {
    assert.deepEqual(['en', 'ja', 'ar-XB', 'he', 'fa-IR'].map(directionOf), ['ltr', 'ltr', 'rtl', 'rtl', 'rtl']);
    assert.equal(localeOf('de', ['en-US', 'de-CH', 'de']), 'de-CH');
    assert.equal(localeOf('de', ['fr']), 'de');
  });

  test('writes numbers, sizes and times', () => {
    assert.equal(String(number(1234.5, 1)), '1,234.5');
    assert.deepEqual([0, 1, 1023, 1024, 1536, 128 << 20, 13_761_264_768].map((n) => String(bytes(n))), ['0 bytes', '1 byte', '1,023 bytes', '1.0 KiB', '1.5 KiB', '128 MiB', '12.8 GiB']);
    assert.deepEqual([640, 9_940, 12_300, 65_000].map((ms) => String(duration(ms))), ['0.6 s', '9.9 s', '12 s', '1 min 5 s']);
    assert.equal(String(t('tokens', { n: 1 })), '1 token');
    assert.equal(String(t('tokens', { n: 1234 })), '1,234 tokens');
  });
});

describe('styles', () => {
  const sheets: [string, string][] = [['app/style.css', readFileSync(join(app, 'style.css'), 'utf8')], ['src/chat/style.ts', style]];
  for (const [name, css] of sheets) {
    test(`of ${name} know no left and right`, () => {
      const wrong: string[] = [];
      for (const [, selector, body] of css.replace(/\/\*[^]*?\*\//g, '').matchAll(/([^{}]+)\{([^{}]*)\}/g)) {
        for (const declaration of body!.split(';').map((d) => d.trim()).filter(Boolean)) {
          const fault = faultOf(declaration, selector!);
          if (fault) {
            wrong.push(`${selector!.trim()} { ${declaration} }: ${fault}`);
          }
        }
      }
      assert.deepEqual(wrong, []);
    });
  }

  test('that do are found', () => {
    for (const wrong of ['left: 0', 'margin-right: 1px', 'padding: 0 1px 0 2px', 'border-radius: 1px 2px 3px 4px', 'text-align: right', 'float: left', 'border-width: 0 1px 1px 0', 'transform: translateX(3px)', 'inset: 0 auto 0 0', 'margin: 0 0 0 auto', 'border-top-left-radius: 1px']) {
      assert.ok(faultOf(wrong, 'p'), wrong);
    }
    for (const right of ['inset-inline-start: 0', 'padding: 0 1px', 'margin: 1px 2px 3px', 'padding: 1px 2px 3px 2px', 'border-radius: 4px', 'border-radius: 8px 8px 0 0', 'text-align: end', 'transform: none', 'width: 1px']) {
      assert.equal(faultOf(right, 'p'), undefined, right);
    }
    assert.equal(faultOf('transform: translateX(3px)', ':dir(rtl) > p'), undefined);
  });
});

/** What a declaration says of left or right; undefined: nothing, or it is said for one direction. */
function faultOf(declaration: string, selector: string): string | undefined {
  if (selector.includes(':dir(')) {
    return undefined;
  }
  const [property, value] = declaration.split(/:\s*([^]*)/) as [string, string];
  if (/(^|-)(left|right)(-|$)/.test(property)) {
    return 'use -inline-start and -inline-end';
  }
  if (/^(text-align|float|clear|justify-content|justify-items)$/.test(property) && /\b(left|right)\b/.test(value)) {
    return 'use start and end';
  }
  if (/translateX\(|translate:\s*[^0 ]/.test(declaration)) {
    return 'say it for both directions, with :dir()';
  }
  const sides = value.split(/\s+(?![^(]*\))/);
  if (/^(margin|padding|inset|border-(width|style|color)|scroll-(margin|padding))$/.test(property) && sides.length === 4 && sides[1] !== sides[3]) {
    return 'the second and the fourth value differ: use -inline';
  }
  return property === 'border-radius' && sides.length > 1 && (sides[0] !== sides[1] || sides[2] !== (sides[3] ?? sides[1])) ? 'name the corners that differ, as in border-start-start-radius' : undefined;
}
