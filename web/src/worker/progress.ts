import type { Phase, Progress } from '../shared/protocol.ts';

/** Milliseconds between two reports of the same phase, and of the past that the rate is measured over. */
const reportEvery = 100;
const rateWindow = 5000;
/** Milliseconds without any bytes after which a report says how the rate sinks, until it is 0. */
const stallEvery = 1000;

/** Counts what was loaded and reports it, not too often. */
export class Meter {
  private readonly report: (progress: Progress) => void;
  private phase: Phase = 'prepare';
  private total = 0;
  private done = 0;
  private fetched = 0;
  private reported = -Infinity;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stall: ReturnType<typeof setTimeout> | undefined;
  private samples: { at: number; done: number }[] = [];

  constructor(report: (progress: Progress) => void) {
    this.report = report;
  }

  /** Begins a phase. */
  begin(phase: Phase, total = this.total): void {
    this.phase = phase;
    this.total = total;
    this.samples = [{ at: performance.now(), done: this.done }];
    this.send();
  }

  /** Counts bytes of weights that are there. */
  add(bytes: number): void {
    this.done += bytes;
    // What is not reported now is reported soon, also if nothing else comes.
    this.timer ??= setTimeout(() => this.sample(), Math.max(0, reportEvery - (performance.now() - this.reported)));
  }

  private sample(): void {
    const now = performance.now();
    this.samples.push({ at: now, done: this.done });
    while (now - this.samples[0]!.at > rateWindow && this.samples.length > 2) {
      this.samples.shift();
    }
    this.send();
  }

  /** Counts bytes that came over the network. */
  addFetched(bytes: number): void {
    this.fetched += bytes;
  }

  private send(): void {
    clearTimeout(this.timer);
    clearTimeout(this.stall);
    this.timer = undefined;
    this.reported = performance.now();
    const first = this.samples[0]!, last = this.samples.at(-1)!;
    const rate = last.at > first.at ? Math.max(0, ((last.done - first.done) * 1000) / (last.at - first.at)) : 0;
    const eta = rate > 0 ? (this.total - this.done) / rate : undefined;
    if (eta) {
      this.stall = setTimeout(() => this.sample(), stallEvery);
    }
    this.report({ phase: this.phase, bytesDone: this.done, bytesTotal: this.total, bytesFetched: this.fetched, rate, eta });
  }
}
