// How far loading is, in words and as a bar: at the composer and in the dialog of models.

import { formatBytes, type Phase } from '../src/index.ts';
import type { ModelState } from './model.ts';

export type Loading = Extract<ModelState, { phase: 'loading' }>;

const phases: Record<Phase, string> = {
  prepare: 'Starting the engine', test: 'Testing the GPU', load: 'Loading the weights', compile: 'Compiling for the GPU', ready: 'Ready',
};

/** How far loading is, in words. */
export function loadingWords({ progress: p, paused, recovering }: Loading): string {
  const parts = [paused ? 'Paused' : p ? phases[p.phase] : recovering ?? 'Starting'];
  if (p && countsBytes(p.phase, paused) && p.bytesTotal > 0) {
    parts.push(`${formatBytes(p.bytesDone)} of ${formatBytes(p.bytesTotal)}`);
    if (!paused && p.rate > 0) {
      parts.push(`${formatBytes(p.rate)}/s`);
      if (p.eta !== undefined && p.bytesDone < p.bytesTotal) {
        parts.push(timeLeft(p.eta));
      }
    }
  }
  return parts.join(' · ');
}

/** Sets a bar to how far loading is; one without a value moves by itself. */
export function showProgress(bar: HTMLProgressElement, { progress: p, paused }: Loading): void {
  if (p && countsBytes(p.phase, paused) && p.bytesTotal > 0) {
    bar.max = p.bytesTotal;
    bar.value = p.bytesDone;
  } else {
    bar.removeAttribute('value');
  }
}

const countsBytes = (phase: Phase, paused: boolean) => phase === 'load' || paused;

function timeLeft(seconds: number): string {
  if (seconds < 60) {
    return `${Math.ceil(seconds)} s left`;
  }
  return seconds < 5400 ? `${Math.round(seconds / 60)} min left` : `${(seconds / 3600).toFixed(1)} h left`;
}
