import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Meter } from '../src/worker/progress.ts';
import type { Progress } from '../src/shared/protocol.ts';

/** A clock that goes on only by what it returns. */
function stoppedClock(): (ms: number) => void {
  let now = 0;
  mock.timers.enable({ apis: ['setTimeout'] });
  mock.method(performance, 'now', () => now);
  return (ms) => {
    for (let i = 0; i < ms; i += 10) {
      now += 10;
      mock.timers.tick(10);
    }
  };
}

test('progress is reported at times, with rate and eta, and never left out at the end', () => {
  const pass = stoppedClock();
  const reports: Progress[] = [];
  const meter = new Meter((p) => reports.push(p));
  meter.begin('prepare');
  meter.begin('load', 10_000);
  for (let i = 0; i < 20; i++) {
    meter.add(100);
    meter.addFetched(50);
    pass(50);
  }
  assert.ok(reports.length <= 13, `${reports.length} reports in a second`);
  assert.deepEqual(reports.map((p) => p.phase), ['prepare', ...Array(reports.length - 1).fill('load')]);
  const last = reports.at(-1)!;
  assert.deepEqual([last.bytesDone, last.bytesFetched, last.bytesTotal], [2000, 1000, 10_000]);
  assert.ok(last.rate > 1900 && last.rate < 2300, `${last.rate} bytes a second`);
  assert.ok(last.eta! > 3 && last.eta! < 4.5, `${last.eta} s`);

  // A stall: the rate sinks to nothing while nothing comes, and then nothing is reported any more.
  let n = reports.length;
  pass(3000);
  assert.ok(reports.at(-1)!.rate < 0.8 * last.rate, `${reports.at(-1)!.rate} bytes a second`);
  pass(20_000);
  assert.deepEqual([reports.at(-1)!.rate, reports.at(-1)!.eta], [0, undefined]);
  assert.ok(reports.length - n < 10, `${reports.length - n} reports of a stall`);
  n = reports.length;
  meter.add(1);
  pass(100);
  assert.ok(reports.at(-1)!.rate > 0 && reports.at(-1)!.rate < 100, `${reports.at(-1)!.rate} bytes a second`);
  assert.equal(reports.length, n + 1);
  meter.begin('ready');
  assert.equal(reports.at(-1)!.phase, 'ready');
  n = reports.length;
  pass(1000);
  assert.equal(reports.length, n);
  mock.reset();
});

test('a download that waits for its next attempt is told each second, until bytes come', () => {
  const pass = stoppedClock();
  const reports: Progress[] = [];
  const meter = new Meter((p) => reports.push(p));
  const told = () => reports.splice(0).map((p) => p.retry && [p.retry.seconds, p.retry.status]);
  meter.begin('load', 10_000);
  meter.add(100);
  pass(200);
  told();
  meter.wait(2500);
  pass(5000);
  const waits = told();
  assert.deepEqual([...new Set(waits.map((w) => w?.[0]))], [3, 2, 1, 0], JSON.stringify(waits));
  assert.deepEqual(waits.at(-1), [0, undefined], 'the attempt is being made');
  meter.add(1);
  pass(200);
  assert.equal(told().at(-1), undefined);
  // Of several connections the one that is the first to go on counts, and one that brings bytes is enough.
  meter.wait(5000, 503);
  meter.wait(1500);
  meter.wait(9000, 503);
  pass(110);
  assert.deepEqual(told().at(-1), [2, undefined]);
  meter.add(-50); // is fetched again
  pass(200);
  assert.deepEqual(told().at(-1), [2, undefined]);
  meter.add(50);
  pass(110);
  assert.equal(told().at(-1), undefined);
  meter.wait(1000, 429);
  meter.begin('compile');
  assert.equal(told().at(-1), undefined);
  mock.reset();
});
