// Runs JavaScript that the model wrote: in a worker of a page that belongs to no origin and may load nothing (sandbox.html).

import { h } from './dom.ts';
import { t } from './language.ts';

/** Milliseconds that a program may take, counted from when it begins. */
const programTime = 5000;
/** Milliseconds that the page in which it runs may take to be loaded. */
const loadTime = 60_000;
/** Characters of a result. */
const longest = 20_000;

/** What the page sandbox.html answers. */
export interface SandboxResult {
  printed: string[];
  value?: string;
  error?: string;
}

/** Runs a program and returns what it printed and its value, or why it failed, as text for the model. */
export async function runInSandbox(code: string, signal: AbortSignal): Promise<string> {
  const frame = h('iframe', { sandbox: 'allow-scripts', src: './sandbox.html', title: t('sandbox'), hidden: true, 'aria-hidden': 'true', tabindex: '-1' });
  const answer = new Promise<SandboxResult>((resolve, reject) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = (event: MessageEvent<SandboxResult>) => resolve(event.data);
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    setTimeout(() => resolve({ printed: [], error: 'the sandbox did not answer' }), programTime + loadTime);
    // Its origin is opaque, so no other can be named as the receiver; the message holds nothing secret.
    frame.addEventListener('load', () => frame.contentWindow!.postMessage({ code, programTime }, '*', [port2]));
  });
  document.body.append(frame);
  try {
    const { printed, value, error } = await answer;
    const lines = [...printed, ...(value !== undefined ? [value] : []), ...(error !== undefined ? [`Error: ${error}`] : [])].join('\n');
    return lines.length > longest ? `${lines.slice(0, longest)}\n… (cut off)` : lines || 'undefined';
  } finally {
    frame.remove();
  }
}
