// The worker: opens a model (open.ts) and answers the page's requests (protocol.ts). One worker opens one model, once; if the device
// is lost the page starts another worker. Other tabs may use its engine (host.ts).

import { Host, type ClientSession } from './host.ts';
import type { Loader } from './loader.ts';
import { openModel } from './open.ts';
import type { Engine } from '../shared/engine.ts';
import { errorOf, isAbort, toWire } from '../shared/errors.ts';
import type { JoinOptions, ModelInfo, Notice, OpenMessage, Progress, Request, Response } from '../shared/protocol.ts';

const global = globalThis as unknown as { postMessage(message: Response): void };

let engine: Engine | undefined;
let device: GPUDevice | undefined;
let closed = false;
const closing = new AbortController();
/** Resolves when the device is lost. */
let lost: Promise<void> = new Promise(() => {});
/** Resolves when the model is open, and never if it cannot be opened: clients of other tabs then open it themselves. */
let opening: Promise<ModelInfo> = new Promise(() => {});
let host: Host | undefined;
/** Replies in progress. */
let chats = 0;

/** The sessions that wait for the model to be opened, with the ids of their requests, and what has been sent to them. */
const waiting = new Map<Session, number>();
const notices: Notice[] = [];
let progress: Progress | undefined;

type Answerable = Exclude<Request, { kind: 'abort' }>;

/** Answers the requests of one client: the page, or another tab. */
class Session implements ClientSession {
  readonly send: (message: Response) => void;
  /** Of the service worker that the client is in. */
  readonly scope: string | undefined;
  /** Of the requests in progress. */
  private readonly aborts = new Map<number, AbortController>();

  constructor(send: (message: Response) => void, scope?: string) {
    this.send = send;
    this.scope = scope;
  }

  receive(request: Request): void {
    if (request.kind === 'abort') {
      this.aborts.get(request.id)?.abort();
    } else {
      void this.answer(request);
    }
  }

  /** Ends the requests in progress. */
  end(): void {
    waiting.delete(this);
    this.aborts.forEach((abort) => abort.abort());
  }

  /** Answers a request with exactly one last message. */
  private async answer(request: Answerable): Promise<void> {
    const { id } = request;
    const abort = new AbortController();
    this.aborts.set(id, abort);
    try {
      this.send(await perform(this, request, abort.signal));
    } catch (error) {
      // A request that fails because the device is lost may fail before the loss is reported. The page repeats it with the next worker.
      if (isAbort(error) || !(await lostSoon())) {
        this.send({ kind: 'error', id, error: toWire(error) });
      }
    } finally {
      this.aborts.delete(id);
    }
  }
}

const page = new Session((message) => global.postMessage(message));
globalThis.addEventListener('message', (event) => page.receive((event as MessageEvent<Request>).data));

async function perform(session: Session, request: Answerable, signal: AbortSignal): Promise<Response> {
  const { id } = request;
  switch (request.kind) {
    case 'open': {
      waiting.set(session, id);
      const info = open(request, signal);
      opening = info.catch(() => new Promise(() => {}));
      if (request.share) {
        host = new Host(request.manifestURL, (send, scope) => new Session(send, scope));
      }
      return { kind: 'opened', id, info: await info };
    }
    case 'join':
      waiting.set(session, id);
      notices.forEach((notice) => session.send({ kind: 'notice', id, notice }));
      if (progress) {
        session.send({ kind: 'progress', id, progress });
      }
      return { kind: 'opened', id, info: checkJoin(await opening, request) };
    case 'chat':
      chats++;
      try {
        await opened().chat(request.body, (json, tokens) => signal.aborted || session.send({ kind: 'frame', id, json, tokens }), signal, {
          strict: request.strict, reply: request.reply,
          onPrompt: request.prompt ? (done, total) => signal.aborted || session.send({ kind: 'prompt', id, done, total }) : undefined,
        });
      } finally {
        chats--;
      }
      return { kind: 'done', id };
    case 'tokenize':
      return { kind: 'tokens', id, tokens: Array.from(await opened().tokenize(request.text, signal)) };
    case 'detokenize':
      return { kind: 'text', id, text: opened().detokenize(Int32Array.from(request.tokens)) };
    case 'stats':
      return { kind: 'stats', id, stats: await opened().stats() };
    case 'ping':
      if (session.scope !== undefined) {
        page.send({ kind: 'awake', id: 0, scope: session.scope });
      }
      return { kind: 'pong', id };
    case 'close':
      closed = true;
      closing.abort();
      host?.close();
      await engine?.close();
      device?.destroy();
      return { kind: 'done', id };
  }
}

/** Refuses a client that asks for more than the model was opened with. */
function checkJoin(info: ModelInfo, { context, kv }: JoinOptions): ModelInfo {
  if (context !== undefined && context > info.context) {
    throw errorOf('conflict', 'other-context', { got: info.context, want: context });
  }
  if (kv !== undefined && kv !== info.kv) {
    throw errorOf('conflict', 'other-kv', { got: info.kv, want: kv });
  }
  return info;
}

function opened(): Engine {
  if (!engine) {
    throw errorOf('closed', 'not-open');
  }
  return engine;
}

async function open(m: OpenMessage, signal: AbortSignal): Promise<ModelInfo> {
  const opened = await openModel(m, {
    onProgress: (p) => {
      progress = p;
      waiting.forEach((id, session) => session.send({ kind: 'progress', id, progress: p }));
    },
    onNotice: (notice) => {
      notices.push(notice);
      waiting.forEach((id, session) => session.send({ kind: 'notice', id, notice }));
    },
    onDevice: (opened) => {
      device = opened;
      lost = watch(opened, m.id);
    },
  }, signal);
  engine = opened.engine;
  void verify(opened.loader, m.id);
  return opened.info;
}

/** Milliseconds after which it is asked again whether replies are in progress. */
const idleEvery = 250;

/**
 * Verifies the weights that came from the storage, while no reply is in progress. Where some are damaged, this engine is of no more use:
 * the page starts another one, which fetches them from their host.
 */
async function verify(loader: Loader, id: number): Promise<void> {
  const pause = async () => {
    while (chats > 0 && !closed) {
      await new Promise((resolve) => setTimeout(resolve, idleEvery));
    }
  };
  try {
    const damaged = await loader.verify(closing.signal, pause);
    if (damaged > 0) {
      page.send({ kind: 'lost', id, error: toWire(errorOf('integrity', 'damaged-weights')) });
    }
  } catch {
    // Closed, or the storage is gone.
  }
}

/** Tells the page when the device is lost, and resolves then. Closing the device is not a loss. */
async function watch(device: GPUDevice, id: number): Promise<void> {
  const { reason, message } = await device.lost;
  // The engine closes the device where it cannot be opened.
  if (closed || (reason === 'destroyed' && !engine)) {
    return new Promise(() => {});
  }
  const error = errorOf('device-lost', 'gpu-lost', { why: (message || reason).replace(/\.$/, '') });
  page.send({ kind: 'lost', id, error: toWire(error) });
}

/** Whether the device is lost, or is reported as lost within 100 ms. */
function lostSoon(): Promise<boolean> {
  const moment = new Promise<false>((resolve) => setTimeout(() => resolve(false), 100));
  return Promise.race([lost.then(() => true), moment]);
}
