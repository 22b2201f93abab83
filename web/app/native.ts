// The page's engine where the program gossamer serves the page itself: models run in that program, and are asked over its API.

import { RuntimeError, type ChatCompletionChunk, type ChatParams, type RuntimeErrorDetails } from '../src/index.ts';
import type { Engine } from './engine-types.ts';
import { t } from './language.ts';

/** A model that the program has. */
export interface NativeModel {
  id: string;
  /** Positions; 0: not known yet. */
  context_length: number;
  /** Where it runs, such as "Vulkan, NVIDIA H200". */
  runs_on?: string;
}

const keyName = 'gossamer-key';
/** Milliseconds that a window without the right key waits for another one's. */
const keyPatience = 1500;

/** Has this window keep the key of its address, give it to others, and load again when the program was started again and its address pasted. */
export function keepKey(): void {
  takeKey();
  shareKey();
  addEventListener('hashchange', () => takeKey() && location.reload());
}

/**
 * Takes the key that the program has put behind the # of the page's address, which nobody else knows: it is kept for this window and taken
 * out of the address. Returns whether there was one.
 */
function takeKey(): boolean {
  const hash = new URLSearchParams(location.hash.slice(1));
  const key = hash.get('key');
  if (!key) {
    return false;
  }
  sessionStorage.setItem(keyName, key);
  hash.delete('key');
  const rest = hash.toString();
  history.replaceState(history.state, '', location.pathname + location.search + (rest && `#${rest}`));
  return true;
}

/** Gives the key to windows that ask for it: those that a link has opened, whose address has none. */
function shareKey(): void {
  const channel = new BroadcastChannel(keyName);
  channel.addEventListener('message', ({ data }: MessageEvent<{ asks?: true }>) => {
    const key = sessionStorage.getItem(keyName);
    if (data.asks && key) {
      channel.postMessage({ key });
    }
  });
}

/** Asks other windows for a key in place of one that is not right. Resolves to whether there is one. */
function keyOfOthers(wrong: string | null): Promise<boolean> {
  return new Promise((resolve) => {
    const channel = new BroadcastChannel(keyName);
    const end = (found: boolean) => {
      channel.close();
      resolve(found);
    };
    channel.addEventListener('message', ({ data: { key } }: MessageEvent<{ key?: string }>) => {
      if (key && key !== wrong) {
        sessionStorage.setItem(keyName, key);
        end(true);
      }
    });
    channel.postMessage({ asks: true });
    setTimeout(() => end(false), keyPatience);
  });
}

async function ask(path: string, init: RequestInit = {}, isRetry = false): Promise<Response> {
  const key = sessionStorage.getItem(keyName);
  const headers = { ...(init.body ? { 'content-type': 'application/json' } : {}), ...(key ? { authorization: `Bearer ${key}` } : {}) };
  let response: Response;
  try {
    response = await fetch(new URL(path, document.baseURI), { ...init, headers });
  } catch (error) {
    if (init.signal?.aborted) {
      throw error;
    }
    throw told('gossamerSilent', 'gossamerSilentHint');
  }
  if (response.status === 401) {
    if (!isRetry && await keyOfOthers(key)) {
      return ask(path, init, true);
    }
    throw told('gossamerKey', 'gossamerKeyHint');
  }
  if (!response.ok) {
    throw failure(await response.text(), response.status);
  }
  return response;
}

/** An error that the page words itself. */
function told(message: 'gossamerSilent' | 'gossamerKey' | 'gossamerCut', hint: `${typeof message}Hint`): Error {
  return Object.assign(new Error(String(t(message))), { hint: String(t(hint)) });
}

/** The error that an answer of the API tells. */
function failure(text: string, status: number): RuntimeError {
  let error: Partial<NonNullable<RuntimeErrorDetails['api']>['error']> = {};
  try {
    error = (JSON.parse(text) as { error?: typeof error }).error ?? {};
  } catch {
    // Something between answers.
  }
  const hint = status === 503 || status === 429 ? String(t('gossamerBusyHint')) : status >= 500 ? String(t('gossamerFaultHint')) : '';
  return new RuntimeError(status >= 500 ? 'internal' : 'bad-request', error.message ?? String(t('gossamerStatus', { status })), {
    status, param: error.param ?? undefined, hint, api: { status, error: { message: '', type: '', param: null, code: null, ...error } },
  });
}

/** The models of the program. */
export async function nativeModels(signal?: AbortSignal): Promise<NativeModel[]> {
  const { data } = (await (await ask('v1/models', { ...(signal && { signal }) })).json()) as { data: NativeModel[] };
  return data;
}

/** Opens a model of the program: waits until it is loaded there. */
export async function openNative(id: string, signal?: AbortSignal): Promise<Engine> {
  for (;;) {
    try {
      const models = await nativeModels(signal);
      const model = models.find((m) => m.id === id) ?? models[0]!; // the program was started with others since
      if (model.context_length > 0) {
        return engine(model);
      }
    } catch (error) {
      if ((error as RuntimeError).details?.status !== 503) {
        throw error;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
    signal?.throwIfAborted();
  }
}

function engine(model: NativeModel): Engine {
  const { id } = model;
  const post = (path: string, body: object, signal?: AbortSignal) => ask(path, { method: 'POST', body: JSON.stringify(body), ...(signal && { signal }) });
  const create = (params: ChatParams, options: { signal?: AbortSignal } = {}) => {
    const { signal } = options;
    const body = { ...params, model: id };
    if (!params.stream) {
      return post('v1/chat/completions', body, signal).then((r) => r.json());
    }
    return chunks(post('v1/chat/completions', body, signal));
  };
  return {
    info: { model: id, context: model.context_length, runsOn: model.runs_on ?? '' },
    chat: { completions: { create } as unknown as Engine['chat']['completions'] },
    tokenize: async (prompt, { signal } = {}) => ((await (await post('tokenize', { model: id, prompt }, signal)).json()) as { tokens: number[] }).tokens,
    close: async () => {},
  };
}

/** The chunks of a streamed answer, as they arrive. */
async function* chunks(answer: Promise<Response>): AsyncGenerator<ChatCompletionChunk> {
  const { body } = await answer;
  let rest = '';
  for await (const text of body!.pipeThrough(new TextDecoderStream()) as unknown as AsyncIterable<string>) {
    const events = (rest + text).split('\n\n');
    rest = events.pop()!;
    for (const event of events) {
      if (!event.startsWith('data: ')) {
        continue; // a comment
      }
      const data = event.slice('data: '.length);
      if (data === '[DONE]') {
        return;
      }
      const chunk = JSON.parse(data) as ChatCompletionChunk & { error?: unknown };
      if (chunk.error) {
        throw failure(data, 500);
      }
      yield chunk;
    }
  }
  throw told('gossamerCut', 'gossamerCutHint');
}
