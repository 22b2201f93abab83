// How far loading is, in words and as a bar: at the composer and in the dialog of models.

import type { Phase, Progress } from '../src/index.ts';
import { bytes, number, t } from './language.ts';
import type { ModelState } from './model.ts';
import { joined, type Said, type Words } from './words.ts';

export type Loading = Extract<ModelState, { phase: 'loading' }>;

const phases: Record<Phase, Words> = {
  prepare: t('phasePrepare'), test: t('phaseTest'), load: t('phaseLoad'), compile: t('phaseCompile'), ready: t('phaseReady'),
};

/** How far loading is, in words. */
export function loadingWords({ progress: p, paused, recovering }: Loading): Words {
  const parts: Said[] = [paused ? t('paused') : p ? phases[p.phase] : recovering ?? t('starting')];
  if (p && countsBytes(p.phase, paused) && p.bytesTotal > 0) {
    parts.push(t('doneOf', { done: bytes(p.bytesDone), all: bytes(p.bytesTotal) }));
    if (!paused && !p.retry && p.rate > 0) {
      parts.push(t('perSecond', { size: bytes(p.rate) }));
      if (p.eta !== undefined && p.bytesDone < p.bytesTotal) {
        parts.push(timeLeft(p.eta));
      }
    }
  }
  if (p?.retry && !paused) {
    parts.push(retryWords(p.retry));
  }
  return joined(parts, ' · ');
}

/** What is done about a download that was interrupted. */
export function retryWords({ seconds: s, status }: NonNullable<Progress['retry']>): Words {
  if (status === undefined) {
    return s > 0 ? t('connectionBroke', { s }) : t('connectionRetried');
  }
  return s > 0 ? t('hostBusy', { status, s }) : t('hostRetried', { status });
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

function timeLeft(seconds: number): Words {
  if (seconds < 60) {
    return t('secondsLeft', { s: Math.ceil(seconds) });
  }
  return seconds < 5400 ? t('minutesLeft', { min: Math.round(seconds / 60) }) : t('hoursLeft', { h: number(seconds / 3600, 1) });
}
