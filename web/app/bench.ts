// The page of the benchmark, which measures on the visitor's machine, with the model that they choose.

import { environment, listModels } from '../src/index.ts';
import { measure } from './bench-measure.ts';
import { render } from './bench-report.ts';
import { nameOf, nano } from './catalogue.ts';
import { announce, byId, h, icon } from './dom.ts';
import { errorText } from './error-text.ts';
import { speak, t } from './language.ts';
import { chooseLanguage } from './languages.ts';
import { Offline } from './offline.ts';
import { applyTheme } from './panel.ts';
import { loadSettings } from './settings.ts';
import { explain } from './unsupported.ts';
import { joined, put, type Said } from './words.ts';

/** What the page's URL asks for: bench.html?model=URL&depths=128,1024&runs=5&tokens=100. */
function readQuery(): { model: string | null; depths: number[]; runs: number; replyTokens: number } {
  const query = new URLSearchParams(location.search);
  return {
    model: query.get('model'),
    depths: (query.get('depths') ?? '128,512,2048,8192,32768').split(',').map(Number).filter((d) => Number.isSafeInteger(d) && d > 0),
    runs: Math.max(1, Math.min(100, Number(query.get('runs')) || 3)),
    replyTokens: Math.max(2, Math.min(1000, Number(query.get('tokens')) || 48)),
  };
}

class BenchPage {
  private readonly query = readQuery();
  private readonly offline = new Offline();
  private readonly status = h('p', { role: 'status' });
  private readonly bar = h('progress', { 'aria-label': t('benchmark'), hidden: true });
  private readonly results = h('div', { class: 'results' });
  private readonly model = h('select', { id: 'bench-model' });
  private readonly button = h('button', { type: 'button', class: 'primary', disabled: true, onclick: () => this.toggle() }, t('measure'));
  /** Of the measurement in progress. */
  private abort: AbortController | undefined;

  async start(): Promise<void> {
    put(document.querySelector('title')!, 'text', joined([t('benchmark'), 'Gossamer'], ' · '));
    byId('bench').append(
      h('nav', {}, h('a', { href: './' }, icon('left'), t('backToChat'))),
      h('h1', {}, t('benchmark')),
      h('p', { class: 'muted' }, t('benchAbout')),
      h('div', { class: 'row' }, h('label', { for: 'bench-model' }, t('model')), this.model, this.button),
      this.bar, this.status, this.results);
    const found = await environment();
    if (!found.ok) {
      this.results.replaceChildren(explain(found));
      return;
    }
    const stored = (await listModels().catch(() => [])).filter((m) => m.complete && nameOf(m.url) !== nano.name);
    const urls = [...(this.query.model ? [this.query.model] : []), nano.url, ...stored.map((m) => m.url)];
    this.model.replaceChildren(...urls.map((url) => h('option', { value: url }, nameOf(url))));
    this.button.disabled = false;
  }

  private toggle(): void {
    if (this.abort) {
      this.abort.abort();
    } else {
      void this.run();
    }
  }

  private async run(): Promise<void> {
    const { signal } = (this.abort = new AbortController());
    put(this.button, 'text', t('stop'));
    this.bar.hidden = false;
    this.bar.removeAttribute('value');
    this.results.replaceChildren();
    const progress = (done: number, all: number) => Object.assign(this.bar, { max: all, value: done });
    try {
      const report = await measure(this.model.value, { ...this.query, say: (words) => this.say(words), progress }, signal);
      this.results.replaceChildren(...render(report));
      this.say(t('benchDone'));
      announce(t('benchIsDone'));
      this.offline.start();
    } catch (error) {
      this.say(signal.aborted ? t('stopped') : errorText(error), !signal.aborted);
    } finally {
      this.abort = undefined;
      put(this.button, 'text', t('measure'));
      this.bar.hidden = true;
    }
  }

  private say(words: Said, error = false): void {
    put(this.status, 'text', words);
    this.status.className = error ? 'error' : 'muted';
  }
}

const settings = loadSettings();
applyTheme(settings);
const asked = new URLSearchParams(location.search).get('lang');
await speak(chooseLanguage(asked, settings.language, navigator.languages)).catch(() => {}); // then in English
void new BenchPage().start();
