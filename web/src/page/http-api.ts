// OpenAI's HTTP API: takes requests and makes responses of what the engines answer that tabs share. The engine checks requests and
// makes completions and chunks (runtime/openai).

import { Client, Completions, randomSeed } from './client.ts';
import { apiError, modelList, modelObject, serverSentEvents, Unavailable } from './openai.ts';
import { SharedConnection } from './shared-connection.ts';
import { errorOf, notBrowser, RuntimeError, type APIError } from '../shared/errors.ts';
import { modelName } from '../shared/manifest.ts';
import { names, type Progress } from '../shared/protocol.ts';

/**
 * Milliseconds after the engine has read a request when the response begins although the model has written nothing yet. Errors in a
 * request are known sooner, so they have their status. The response must not begin later, because some browsers report an abort only
 * once there is a body, and end the request if there is none for too long.
 */
const longestSilence = 1500;
/** Milliseconds that the tab with the engine may take to answer whether it is alive. */
const aliveTimeout = 10_000;

/** Characters that the engine reads (MaxBytes in runtime/openai); longer messages may not get from tab to tab. */
const maxLength = 16 << 20;

/** Answers requests with the engine of any tab. */
export class HTTPAPI {
  private readonly models = new Map<string, SharedModel>();
  private readonly scope: string | undefined;
  private readonly home: string;

  /** home: the URL where users open a model. scope: of the service worker that this runs in. */
  constructor(home: string, scope?: string) {
    this.home = home;
    this.scope = scope;
  }

  /** Answers a request for a path below v1/. */
  async answer(request: Request, path: string): Promise<Response> {
    try {
      const route = `${request.method} ${path}`;
      if (route === 'POST chat/completions') {
        return await this.chat(request);
      }
      if (route === 'GET models') {
        return json(modelList((await this.openModels()).map((m) => m.object)));
      }
      if (route.startsWith('GET models/')) {
        const id = decodeURIComponent(path.slice('models/'.length));
        const model = (await this.openModels()).find((m) => m.object.id === id);
        return model ? json(model.object) : refuse(404, `The model ${JSON.stringify(id)} is not open.`, 'model_not_found', 'model');
      }
      return /^(chat\/completions|models(\/.*)?)$/.test(path)
        ? refuse(405, `${request.method} is not supported here: use ${path.startsWith('models') ? 'GET' : 'POST'}.`, 'method_not_supported')
        : refuse(404, `There is no ${path} here, only chat/completions and models.`, 'unknown_url');
    } catch (error) {
      return failure(error);
    }
  }

  private async chat(request: Request): Promise<Response> {
    const text = await request.text();
    if (text.length > maxLength) {
      return refuse(413, `The request has ${text.length} characters, at most ${maxLength} are read.`, 'request_too_large');
    }
    let params: { model?: unknown; seed?: unknown; stream?: unknown } | undefined;
    try {
      params = JSON.parse(text);
    } catch {
      // The engine says what is wrong with it.
    }
    const models = await this.openModels();
    const model = models.find((m) => m.object.id === params?.model) ?? models[0]!;
    const abort = new AbortController();
    request.signal.addEventListener('abort', () => abort.abort());
    const options = { signal: abort.signal, strict: request.headers.get('x-gossamer-strict') === 'true' };
    if (params?.stream === true) {
      const chunks = model.completions.stream(withSeed(text, params), options);
      await Promise.race([chunks, model.silence()]);
      return stream('text/event-stream', serverSentEvents(chunks), abort);
    }
    const completion = model.completions.whole(withSeed(text, params), options).then((c) => JSON.stringify(c));
    completion.catch(() => {}); // it is reported where the body is read
    await Promise.race([completion, model.silence()]);
    return stream('application/json', (async function* () { yield await completion; })(), abort);
  }

  /** The models that can answer. Throws if there is none. */
  private async openModels(): Promise<SharedModel[]> {
    const { held = [] } = await navigator.locks.query();
    const prefix = names.engine('');
    const urls = held.flatMap(({ name }) => (name?.startsWith(prefix) ? [name.slice(prefix.length)] : []));
    if (urls.length === 0) {
      // OpenAI's library repeats a request that was answered with 503, unless told that this is of no use.
      throw new Unavailable(`No tab of this site has a model open. Open ${this.home} and load one, then ask again.`, 'no_model', { 'x-should-retry': 'false' });
    }
    const models = urls.map((url) => this.model(url));
    const states = await Promise.all(models.map((model) => model.state()));
    const open = models.filter((_, i) => states[i] === 'open');
    const error = states.find((state) => state instanceof RuntimeError);
    if (open.length > 0) {
      return open;
    }
    if (error) {
      throw error;
    }
    const { phase = 'ready', bytesDone = 0, bytesTotal = 0 } = models.find((m) => m.progress)?.progress ?? {};
    if (phase !== 'ready') {
      const percent = bytesTotal ? Math.floor((100 * bytesDone) / bytesTotal) : 0;
      throw new Unavailable(`The model is being loaded, ${percent} % are there. Ask again soon.`, 'model_loading', { 'retry-after': '5' });
    }
    throw errorOf('suspended', 'tab-silent');
  }

  private model(url: string): SharedModel {
    let model = this.models.get(url);
    if (!model) {
      model = new SharedModel(url, this.scope);
      this.models.set(url, model);
      model.client.ended.then(() => this.models.delete(url));
    }
    return model;
  }
}

/** A model that a tab has open, or is opening. */
class SharedModel {
  readonly object;
  readonly client: Client;
  readonly completions: Completions;
  progress: Progress | undefined;

  constructor(url: string, scope: string | undefined) {
    this.object = modelObject(modelName(url));
    this.client = new Client(new SharedConnection(url, {}, undefined, scope), { onProgress: (p) => (this.progress = p), onNotice() {} });
    this.completions = new Completions(this.client, this.object.id);
    this.client.open().catch(() => {}); // requests fail with the same error
  }

  /** Whether its tab answers, or why not; undefined: not yet. */
  async state(): Promise<'open' | RuntimeError | undefined> {
    try {
      await this.client.request((id) => ({ kind: 'stats', id }), AbortSignal.timeout(aliveTimeout));
      return 'open';
    } catch (error) {
      return error instanceof RuntimeError ? error : undefined;
    }
  }

  /** Resolves when the engine has read the requests sent before this call, and longestSilence has passed. */
  async silence(): Promise<void> {
    await this.state(); // requests are answered in order, so a long one before it has been read
    await sleep(longestSilence);
  }
}

/** Adds a seed if there is none, so that the reply can be repeated by another engine. The rest of the text stays as it is. */
function withSeed(text: string, params: { seed?: unknown } | undefined): string {
  const isObject = typeof params === 'object' && params !== null && !Array.isArray(params) && Object.keys(params).length > 0;
  return isObject && params.seed === undefined ? text.replace('{', `{"seed":${randomSeed()},`) : text;
}

/** A response whose body is sent in parts. The reply ends where nobody reads it any more. */
function stream(type: string, parts: AsyncGenerator<string>, abort: AbortController): Response {
  const encoder = new TextEncoder();
  const body = new ReadableStream({
    async pull(controller) {
      const { value, done } = await parts.next();
      if (done) {
        controller.close();
      } else {
        controller.enqueue(encoder.encode(value));
      }
    },
    cancel: () => abort.abort(),
  });
  return new Response(body, { headers: { 'content-type': type, 'cache-control': 'no-store' } });
}

function json(value: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return Response.json(value, { status, headers: { 'cache-control': 'no-store', ...headers } });
}

function refuse(status: number, message: string, code: string, param: string | null = null): Response {
  return json({ error: { message, type: 'invalid_request_error', param, code } satisfies APIError }, status);
}

function failure(error: unknown): Response {
  const { status, error: object } = apiError(error);
  return json({ error: object }, status, error instanceof Unavailable ? error.headers : {});
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** By the URL above v1/. */
const apis = new Map<string, HTTPAPI>();

/**
 * fetch that asks the engine of this or another tab directly if the path ends in v1/chat/completions or v1/models, without the
 * service worker: replies do not break when the browser stops that. For OpenAI's library: `new OpenAI({ fetch: localFetch, ... })`.
 */
export async function localFetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  if (!globalThis.navigator?.locks) {
    throw notBrowser();
  }
  const request = new Request(input, init);
  const { origin, pathname } = new URL(request.url);
  const [, base, path] = /^(.*\/)v1\/(chat\/completions|models|models\/.*)$/.exec(pathname) ?? [];
  if (origin !== location.origin || base === undefined) {
    return fetch(request);
  }
  const home = origin + base;
  const api = apis.get(home) ?? new HTTPAPI(home);
  apis.set(home, api);
  return api.answer(request, path!);
}
