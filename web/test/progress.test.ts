import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Meter } from '../src/worker/progress.ts';
import type { Progress } from '../src/shared/protocol.ts';

test('progress is reported at times, with rate and eta, and never left out at the end', () => {
  let now = 0;
  mock.timers.enable({ apis: ['setTimeout'] });
  mock.method(performance, 'now', () => now);
  const pass = (ms: number) => {
    for (let i = 0; i < ms; i += 10) {
      now += 10;
      mock.timers.tick(10);
    }
  };
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
