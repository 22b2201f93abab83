import { create, type Gossamer, RuntimeError } from 'gossamer';

const form = document.querySelector('form')!;
const stop = document.querySelector<HTMLButtonElement>('#stop')!;
const state = document.querySelector('#state')!;
const answer = document.querySelector<HTMLElement>('#answer')!;

// Loaded by the first question, once for all tabs of the site.
let opening: Promise<Gossamer> | undefined;
const open = () =>
  (opening ??= create({
    model: new URL('model/', document.baseURI).href,
    share: true,
    context: 2048,
    onProgress: ({ phase, bytesDone, bytesTotal }) => {
      state.textContent = `${phase} ${Math.round((100 * bytesDone) / (bytesTotal || 1))} %`;
    },
    onNotice: ({ message }) => console.info(message),
  }));

async function ask(question: string, signal: AbortSignal): Promise<void> {
  const ai = await open();
  state.textContent = ai.info.model;
  answer.textContent = '';
  const messages = [{ role: 'user' as const, content: question }];
  for await (const chunk of ai.chat.completions.create({ messages, stream: true, reasoning_effort: 'low' }, { signal })) {
    answer.textContent += chunk.choices[0]?.delta.content ?? '';
  }
  answer.dataset['done'] = '';
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const aborting = new AbortController();
  stop.onclick = () => aborting.abort();
  stop.disabled = false;
  ask(String(new FormData(form).get('question')), aborting.signal)
    .catch((error: unknown) => {
      if (error instanceof RuntimeError) {
        opening = undefined; // a failed load may be tried again
        state.textContent = `${error.message}. ${error.hint}`;
      } else if (!aborting.signal.aborted) {
        throw error;
      }
    })
    .finally(() => {
      stop.disabled = true;
    });
});
