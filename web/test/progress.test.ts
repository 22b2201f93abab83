import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Meter } from '../src/progress.ts';
import type { Progress } from '../src/protocol.ts';

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

  // A stall: the rate sinks as soon as anything comes.
  pass(20_000);
  meter.add(1);
  pass(100);
  assert.ok(reports.at(-1)!.rate < 100, `${reports.at(-1)!.rate} bytes a second`);
  meter.begin('ready');
  assert.equal(reports.at(-1)!.phase, 'ready');
  const n = reports.length;
  pass(1000);
  assert.equal(reports.length, n);
  mock.reset();
});
