// What a page shows where no model can be opened.

import type { Environment } from '../src/index.ts';
import { errorText, h } from './dom.ts';

/** Says why, and which browsers have WebGPU. */
export function explain(e: Environment): HTMLElement {
  return h('section', { class: 'explain', role: 'alert' },
    h('h2', {}, 'This browser cannot run the model'),
    h('p', {}, errorText({ message: e.cause, hint: e.fix })),
    h('div', { class: 'table', tabindex: '0', role: 'region', 'aria-label': 'Browsers with WebGPU' }, h('table', {},
      h('thead', {}, h('tr', {}, h('th', {}, 'Browser'), h('th', {}, 'WebGPU'))),
      h('tbody', {}, ...[
        ['Chrome, Edge, Opera', 'Windows, macOS and ChromeOS since version 113, Android since 121. On Linux it may have to be switched on: chrome://flags/#enable-unsafe-webgpu and chrome://flags/#enable-vulkan.'],
        ['Safari', 'macOS, iOS and iPadOS since version 26.'],
        ['Firefox', 'Windows since version 141, macOS with Apple silicon since 145. Elsewhere dom.webgpu.enabled in about:config of Firefox Nightly.'],
      ].map(([name, text]) => h('tr', {}, h('th', { scope: 'row' }, name), h('td', {}, text)))))),
    h('p', {}, 'Hardware acceleration must be on in the browser’s settings, and the page must come by https or from localhost. What the browser says of the GPU: chrome://gpu in Chrome and Edge, about:support in Firefox.'),
    h('p', {}, 'Your conversations are still here: you can read and export them.'));
}
