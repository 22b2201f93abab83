// The app that bundlers build, and asking it.

import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { visit } from './browser.ts';
import { serve, type Server } from './server.ts';

/**
 * Asks the model at ?model= one question. The title tells of the end, the body has the answer. The processor computes: bundlers matter to where
 * the package's files are, and shaders would take most of the time.
 */
export const app = `
import { create } from 'gossamer';

async function main() {
  const ai = await create({ model: new URLSearchParams(location.search).get('model'), context: 256, backend: 'cpu', onNotice() {} });
  const messages = [{ role: 'user', content: 'What is 17 + 25?' }];
  const answer = await ai.chat.completions.create({ messages, reasoning_effort: 'low', temperature: 0 });
  document.body.dataset.answer = answer.choices[0].message.content;
  document.title = 'answered';
}

main().catch((error) => {
  document.title = 'failed: ' + error;
});
`;

/** The same by the element <gossamer-chat>. */
export const chatApp = `
import 'gossamer/chat';

const chat = document.createElement('gossamer-chat');
chat.setAttribute('model', new URLSearchParams(location.search).get('model'));
chat.setAttribute('backend', 'cpu');
chat.setAttribute('effort', 'low');
chat.params = { temperature: 0 };
chat.addEventListener('gossamer-answer', ({ detail }) => {
  document.body.dataset.answer = detail;
  document.title = 'answered';
});
chat.addEventListener('gossamer-error', ({ detail }) => {
  document.title = 'failed: ' + detail;
});
document.body.append(chat);
chat.send('What is 17 + 25?');
`;

/** A page with a script. */
export const html = (script: string) => `<!doctype html><title>loading</title><body><script type="module" src="${script}"></script>`;

/** Serves the built-in model on an origin of its own. */
export async function serveModel(): Promise<Server> {
  // The bundled tests lie in web/dist/test.
  return serve({ '/nano/': join(dirname(dirname(fileURLToPath(import.meta.url))), 'nano') });
}

/** Opens an app with the model, and fails unless it answers. */
export async function asks(url: string, model: Server): Promise<void> {
  const visitor = await visit(`${url}?model=${encodeURIComponent(`${model.url}nano/`)}`);
  try {
    await visitor.page.waitForFunction(() => document.title === 'answered' || document.title.startsWith('failed'));
    assert.equal(await visitor.page.title(), 'answered');
    assert.match(await visitor.page.evaluate(() => document.body.dataset['answer'] ?? ''), /42/);
  } finally {
    await visitor.close();
  }
}

/** Opens an example, which has a form for a question, and fails unless it answers the one that is in it. */
export async function submits(url: string): Promise<void> {
  const visitor = await visit(url);
  try {
    await visitor.page.locator('form button:not([type]):enabled').click();
    await visitor.page.locator('#answer[data-done]').waitFor();
    assert.match(await visitor.page.locator('#answer').innerText(), /\b42\b/);
  } finally {
    await visitor.close();
  }
}
