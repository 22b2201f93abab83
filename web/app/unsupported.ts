// What a page shows where there is no WebGPU.

import type { Environment } from '../src/index.ts';
import { errorText, h, iconButton } from './dom.ts';

/** What stands at the composer of a chat whose model the processor computes, with a button that explains it. */
export function slowNotice(e: Environment): (string | HTMLElement)[] {
  const why = e.code === 'insecure-context'
    ? 'This page does not come by https, so the browser gives it no WebGPU'
    : e.code === 'limits' ? 'This GPU allows too little' : 'This browser has no WebGPU';
  return [`${why}: only the built-in model runs, on the processor, slowly. `,
    h('button', { type: 'button', class: 'link', 'aria-haspopup': 'dialog', onclick: () => showExplanation(e) }, 'How to run real models')];
}

function showExplanation(e: Environment): void {
  const dialog = h('dialog', { class: 'sheet', 'aria-labelledby': 'explain-title', onclose: () => dialog.remove() });
  dialog.append(
    h('div', { class: 'sheet-head' }, h('h2', { id: 'explain-title' }, 'How to run real models'), iconButton('close', 'Close', () => dialog.close())),
    h('div', { class: 'sheet-body' }, h('div', {}, // keeps the table from shrinking
      h('p', {}, 'Models such as gpt-oss-20b take a GPU, which a page reaches by WebGPU. Without it this page computes on one core of the processor, many times slower.'),
      ...reasons(e),
      h('p', {}, 'Or use the program gossamer, which runs models on this device outside of the browser.'))));
  document.body.append(dialog);
  dialog.showModal();
}

/** What is in place of the benchmark. */
export function explain(e: Environment): HTMLElement {
  return h('section', { class: 'explain', role: 'alert' }, h('h2', {}, 'The benchmark needs WebGPU'), ...reasons(e));
}

function reasons(e: Environment): HTMLElement[] {
  return [
    h('p', {}, errorText({ message: e.cause, hint: e.fix })),
    h('div', { class: 'table', tabindex: '0', role: 'region', 'aria-label': 'Browsers with WebGPU' }, h('table', {},
      h('thead', {}, h('tr', {}, h('th', {}, 'Browser'), h('th', {}, 'WebGPU'))),
      h('tbody', {}, ...[
        ['Chrome, Edge, Opera', 'Windows, macOS and ChromeOS since version 113, Android since 121. On Linux it may have to be switched on: chrome://flags/#enable-unsafe-webgpu and chrome://flags/#enable-vulkan.'],
        ['Safari', 'macOS, iOS and iPadOS since version 26.'],
        ['Firefox', 'Windows since version 141, macOS with Apple silicon since 145. Elsewhere dom.webgpu.enabled in about:config of Firefox Nightly.'],
      ].map(([name, text]) => h('tr', {}, h('th', { scope: 'row' }, name), h('td', {}, text)))))),
    h('p', {}, 'Hardware acceleration must be on in the browser’s settings, and the page must come by https or from localhost. What the browser says of the GPU: chrome://gpu in Chrome and Edge, about:support in Firefox.'),
  ];
}
