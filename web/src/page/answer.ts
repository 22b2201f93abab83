// OpenAI's HTTP API, answered by the engines that tabs share: requests in, responses out. What a request may say and what chunks
// look like the engine knows (runtime/openai).

import { Client, Completions, randomSeed } from './client.ts';
import { isAbort, RuntimeError, type APIError } from '../shared/errors.ts';
import { modelName } from '../shared/manifest.ts';
import { names, type Progress } from '../shared/protocol.ts';
import { SharedLine } from './share.ts';

/**
 * Milliseconds after the engine has read a request when its answer begins although the model has said nothing yet. What is wrong
 * with a request is known sooner, so it has its status. Not later, because some browsers tell of an abort only once there is a
 * body, and give up without one.
 */
const silence = 1500;
/** Milliseconds that the tab that runs the model may take to answer. */
const patience = 10_000;

/** What the engine reads (MaxBytes in runtime/openai), in characters; longer messages may not get from tab to tab. */
const maxLength = 16 << 20;

/** Answers requests from any tab's engine. */
export class Answerer {
  private readonly guests = new Map<string, Guest>();
  private readonly scope: string | undefined;
  private readonly home: string;

  /** home: where people open a model. scope: of the service worker that this is. */
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
        return json({ object: 'list', data: (await this.models()).map((guest) => guest.model()) });
      }
      if (route.startsWith('GET models/')) {
        const id = decodeURIComponent(path.slice('models/'.length));
        const guest = (await this.models()).find((g) => g.name === id);
        return guest ? json(guest.model()) : refuse(404, `The model ${JSON.stringify(id)} is not open.`, 'model_not_found', 'model');
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
      // the engine says what is wrong with it
    }
    const guests = await this.models();
    const guest = guests.find((g) => g.name === params?.model) ?? guests[0]!;
    const abort = new AbortController();
    request.signal.addEventListener('abort', () => abort.abort());
    const options = { signal: abort.signal };
    if (params?.stream === true) {
      const chunks = guest.completions.stream(repeatable(text, params), options);
      await Promise.race([chunks, guest.silence()]);
      return stream('text/event-stream', events(chunks), abort);
    }
    const completion = guest.completions.whole(repeatable(text, params), options).then((c) => JSON.stringify(c));
    completion.catch(() => {}); // who reads the body hears of it
    await Promise.race([completion, guest.silence()]);
    return stream('application/json', (async function* () { yield await completion; })(), abort);
  }

  /** The models that answer. Throws if there is none. */
  private async models(): Promise<Guest[]> {
    const { held = [] } = await navigator.locks.query();
    const prefix = names.engine('');
    const urls = held.flatMap(({ name }) => (name?.startsWith(prefix) ? [name.slice(prefix.length)] : []));
    if (urls.length === 0) {
      // OpenAI's library tries 503 again unless told that it is of no use.
      throw new Unavailable(`No tab of this site has a model open. Open ${this.home} and load one, then ask again.`, 'no_model', { 'x-should-retry': 'false' });
    }
    const guests = urls.map((url) => this.guest(url));
    const states = await Promise.all(guests.map((guest) => guest.state()));
    const open = guests.filter((_, i) => states[i] === 'open');
    const error = states.find((state) => state instanceof RuntimeError);
    if (open.length > 0) {
      return open;
    }
    if (error) {
      throw error;
    }
    const { phase = 'ready', bytesDone = 0, bytesTotal = 0 } = guests.find((g) => g.progress)?.progress ?? {};
    if (phase !== 'ready') {
      const percent = bytesTotal ? Math.floor((100 * bytesDone) / bytesTotal) : 0;
      throw new Unavailable(`The model is being loaded, ${percent} % are there. Ask again soon.`, 'model_loading', { 'retry-after': '5' });
    }
    throw new RuntimeError('suspended', 'the tab that runs the model does not answer');
  }

  private guest(url: string): Guest {
    let guest = this.guests.get(url);
    if (!guest) {
      guest = new Guest(url, this.scope);
      this.guests.set(url, guest);
      guest.client.ended.then(() => this.guests.delete(url));
    }
    return guest;
  }
}

/** A model that a tab has open. */
class Guest {
  readonly name: string;
  readonly client: Client;
  readonly completions: Completions;
  progress: Progress | undefined;
  private readonly created = Math.floor(Date.now() / 1000);

  constructor(url: string, scope: string | undefined) {
    this.name = modelName(url);
    this.client = new Client(new SharedLine(url, {}, undefined, scope), { onProgress: (p) => (this.progress = p), onNotice() {} });
    this.completions = new Completions(this.client, this.name);
    this.client.open().catch(() => {}); // requests meet the same error
  }

  /** Whether its tab answers, or why not; undefined: not yet. */
  async state(): Promise<'open' | RuntimeError | undefined> {
    try {
      await this.client.request((id) => ({ kind: 'stats', id }), AbortSignal.timeout(patience));
      return 'open';
    } catch (error) {
      return error instanceof RuntimeError ? error : undefined;
    }
  }

  /** Resolves when the engine has read what was sent before, and has been silent for a while. */
  async silence(): Promise<void> {
    await this.state(); // which it tells after it has read a long request
    await sleep(silence);
  }

  model() {
    return { id: this.name, object: 'model', created: this.created, owned_by: 'gossamer' };
  }
}

/** Why there is no model. */
class Unavailable extends Error {
  readonly code: string;
  readonly headers: Record<string, string>;

  constructor(message: string, code: string, headers: Record<string, string>) {
    super(message);
    this.code = code;
    this.headers = headers;
  }
}

/** With a seed the reply can be repeated where the tab that runs the model goes. The text is left as it is otherwise. */
function repeatable(text: string, params: { seed?: unknown } | undefined): string {
  const plain = typeof params === 'object' && params !== null && !Array.isArray(params) && Object.keys(params).length > 0;
  return plain && params.seed === undefined ? text.replace('{', `{"seed":${randomSeed()},`) : text;
}

/** Server-sent events of a reply; what goes wrong in the middle is the last one. */
async function* events(chunks: AsyncIterable<unknown>): AsyncGenerator<string> {
  try {
    for await (const chunk of chunks) {
      yield `data: ${JSON.stringify(chunk)}\n\n`;
    }
    yield 'data: [DONE]\n\n';
  } catch (error) {
    yield `data: ${JSON.stringify({ error: apiError(error).error })}\n\n`;
  }
}

/** A response whose body comes piece by piece. Who stops reading ends the reply. */
function stream(type: string, pieces: AsyncGenerator<string>, abort: AbortController): Response {
  const encoder = new TextEncoder();
  const body = new ReadableStream({
    async pull(controller) {
      const { value, done } = await pieces.next();
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

/** An error as OpenAI's API tells it. */
function apiError(error: unknown): { status: number; error: APIError } {
  if (error instanceof Unavailable) {
    return { status: 503, error: { message: error.message, type: 'server_error', param: null, code: error.code } };
  }
  if (error instanceof RuntimeError) {
    const { code, message, hint, details } = error;
    const status = code === 'bad-request' ? 400 : code === 'internal' ? 500 : 503;
    const type = status === 400 ? 'invalid_request_error' : 'server_error';
    return details.api ?? { status, error: { message: `${message}. ${hint}`, type, param: details.param ?? null, code: code.replaceAll('-', '_') } };
  }
  if (isAbort(error)) {
    return { status: 499, error: { message: 'the reply was cancelled', type: 'cancelled', param: null, code: 'cancelled' } };
  }
  return { status: 500, error: { message: String((error as Error)?.message ?? error), type: 'server_error', param: null, code: null } };
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

const answerer = new Map<string, Answerer>();

/**
 * fetch that asks the engine of this or another tab directly where the path ends in v1/chat/completions or v1/models, not by way of
 * a service worker: replies do not break when the browser stops that. For OpenAI's library: `new OpenAI({ fetch: localFetch, ... })`.
 */
export async function localFetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const request = new Request(input, init);
  const { origin, pathname } = new URL(request.url);
  const [, base, path] = /^(.*\/)v1\/(chat\/completions|models|models\/.*)$/.exec(pathname) ?? [];
  if (origin !== location.origin || base === undefined) {
    return fetch(request);
  }
  const home = origin + base;
  const known = answerer.get(home) ?? new Answerer(home);
  answerer.set(home, known);
  return known.answer(request, path!);
}
