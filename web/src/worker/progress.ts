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
  /** When a download that was interrupted goes on, and the status that interrupted it; undefined: bytes come. */
  private waiting: { until: number; status: number | undefined } | undefined;

  constructor(report: (progress: Progress) => void) {
    this.report = report;
  }

  /** Begins a phase. */
  begin(phase: Phase, total = this.total): void {
    this.phase = phase;
    this.total = total;
    this.waiting = undefined;
    this.samples = [{ at: performance.now(), done: this.done }];
    this.send();
  }

  /** Counts bytes of weights that are there. */
  add(bytes: number): void {
    this.done += bytes;
    if (bytes > 0) {
      this.waiting = undefined;
    }
    this.reportSoon();
  }

  /** Tells that a download waits so many milliseconds for its next attempt; status: of the reply that is the reason. */
  wait(ms: number, status?: number): void {
    const now = performance.now(), until = now + ms;
    const earlier = this.waiting && this.waiting.until > now ? this.waiting : undefined; // of another connection
    this.waiting = earlier && earlier.until < until ? earlier : { until, status };
    this.reportSoon();
  }

  /** What is not reported now is reported soon, also if nothing else comes. */
  private reportSoon(): void {
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
    const left = this.waiting && Math.max(0, this.waiting.until - this.reported);
    if (eta || left) {
      this.stall = setTimeout(() => this.sample(), Math.min(stallEvery, left || stallEvery));
    }
    const retry = this.waiting && { seconds: Math.ceil(left! / 1000), status: this.waiting.status };
    this.report({ phase: this.phase, bytesDone: this.done, bytesTotal: this.total, bytesFetched: this.fetched, rate, eta, retry });
  }
}
