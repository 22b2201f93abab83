// What a page shows where there is no WebGPU.

import type { Environment } from '../src/index.ts';
import { h, iconButton } from './dom.ts';
import { verdictText } from './error-text.ts';
import { t } from './language.ts';
import { textOf, type Said } from './words.ts';

/** What stands at the composer of a chat whose model the processor computes, with a button that explains it. */
export function slowNotice(e: Environment): Node[] {
  const why = t(e.code === 'insecure-context' ? 'whyInsecure' : e.code === 'limits' ? 'whyLimits' : 'whyNone');
  return [textOf(t('onlyBuiltIn', { why })), document.createTextNode(' '),
    h('button', { type: 'button', class: 'link', 'aria-haspopup': 'dialog', onclick: () => showExplanation(e) }, t('howToRun'))];
}

function showExplanation(e: Environment): void {
  const dialog = h('dialog', { class: 'sheet', 'aria-labelledby': 'explain-title', onclose: () => dialog.remove() });
  dialog.append(
    h('div', { class: 'sheet-head' }, h('h2', { id: 'explain-title' }, t('howToRun')), iconButton('close', t('close'), () => dialog.close())),
    h('div', { class: 'sheet-body' }, h('div', {}, // keeps the table from shrinking
      h('p', {}, t('needsGPU')),
      ...reasons(e),
      h('p', {}, t('orProgram')))));
  document.body.append(dialog);
  dialog.showModal();
}

/** What is in place of the benchmark. */
export function explain(e: Environment): HTMLElement {
  return h('section', { class: 'explain', role: 'alert' }, h('h2', {}, t('benchNeedsGPU')), ...reasons(e));
}

function reasons(e: Environment): HTMLElement[] {
  return [
    h('p', {}, verdictText(e)),
    h('div', { class: 'table', tabindex: '0', role: 'region', 'aria-label': t('browsers') }, h('table', {},
      h('thead', {}, h('tr', {}, h('th', {}, t('browser')), h('th', {}, 'WebGPU'))),
      h('tbody', {}, ...([
        ['Chrome, Edge, Opera', t('chromeSince')],
        ['Safari', t('safariSince')],
        ['Firefox', t('firefoxSince')],
      ] as [string, Said][]).map(([name, text]) => h('tr', {}, h('th', { scope: 'row' }, name), h('td', {}, text)))))),
    h('p', {}, t('acceleration')),
  ];
}
