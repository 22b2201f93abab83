// One engine for many tabs: the line to the engine that one of them runs.
//
// The tab that holds the lock of the model runs its engine, in its worker, which the others reach by channels (host.ts). They wait
// for the lock: whoever gets it when that tab is gone opens the model and takes over. Clients hold a lock as well, so that the
// engine's worker learns when one of them is gone. The browser releases locks also when a tab crashes.
//
// A SharedWorker would be the obvious place for the engine, but it cannot write to the storage as fast as a dedicated worker, and
// Chrome on Android has none. As a broker of MessagePorts it would add nothing to channels with names of their own.
//
// The lock is never stolen from a tab that is suspended: it still has its GPU memory and files open, so that opening the model a
// second time would mostly fail. The error says which tab to look for.

import { RuntimeError, toWire } from '../shared/errors.ts';
import type { Ears, Line, Loss } from './line.ts';
import { names, type Call, type JoinOptions, type Request, type Response } from '../shared/protocol.ts';

/**
 * Milliseconds between two questions whether the engine's tab is alive, how many may go unanswered before the client is told, and
 * before its requests fail: the tab may be there, but wait for the GPU. It counts questions, not time: after the machine was asleep
 * no tab has had a chance to answer.
 */
const askEvery = 2000;
const patience = { notice: 4, failure: 15 };
/** Milliseconds between two pings on a new channel. */
const knockEvery = 100;

/** A line to the engine of whichever tab runs it. */
export class SharedLine implements Line {
  private readonly model: string;
  private readonly options: JoinOptions;
  /** Undefined: this client cannot run the engine. */
  private readonly own: Line | undefined;
  private readonly scope: string | undefined;
  private readonly id = crypto.randomUUID();
  private readonly closing = new AbortController();
  private readonly calls: BroadcastChannel;

  private owns = false;
  /** The other tab's engine, and the channel to it. */
  private owner: string | undefined;
  private channel: BroadcastChannel | undefined;
  /** Of the request to open the model. */
  private opening = 0;
  private opened = false;
  private ears: Ears | undefined;
  /** Requests that another tab's engine has not answered. */
  private readonly unanswered = new Set<number>();
  private knocking: ReturnType<typeof setInterval> | undefined;
  private asking: ReturnType<typeof setInterval> | undefined;
  private silence = 0;

  /** model: URL of the manifest. scope: of the service worker that this client is in. */
  constructor(model: string, options: JoinOptions, own?: Line, scope?: string) {
    this.model = model;
    this.options = options;
    this.own = own;
    this.scope = scope;
    this.calls = new BroadcastChannel(names.calls(model));
    this.calls.onmessage = (event: MessageEvent<Call>) => this.hear(event.data);
    this.hold(names.client(this.id), () => this.call());
    if (own) {
      this.hold(names.engine(model), () => this.take());
    } else {
      void this.watch();
    }
  }

  connect(id: number, ears: Ears): void {
    this.opening = id;
    this.ears = ears;
    this.opened = false;
    this.dial();
  }

  send(request: Exclude<Request, { kind: 'open' }>): void {
    if (this.owns) {
      this.own!.send(request);
    } else if (request.kind === 'close') {
      this.ears?.receive({ kind: 'done', id: request.id }); // this client ends, not the engine
    } else if (request.kind === 'abort') {
      this.unanswered.delete(request.id);
      this.channel?.postMessage(request);
    } else {
      this.ask(request.id);
      this.channel?.postMessage(request);
    }
  }

  close(): void {
    this.closing.abort();
    this.leave();
    this.unanswered.clear();
    clearInterval(this.asking);
    this.calls.close();
    this.own?.close();
  }

  /** Holds a lock from when it is free until the line is closed. */
  private hold(name: string, then: () => void): void {
    const { signal } = this.closing;
    const held = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    navigator.locks.request(name, { signal }, () => {
      then();
      return held;
    }).catch(() => {}); // closed while waiting
  }

  private hear(call: Call): void {
    if (this.owns || call.kind === 'hello' || call.owner === this.owner) {
      return;
    }
    if (call.kind === 'owner') {
      this.call();
    } else if (call.client === this.id) {
      this.owner = call.owner;
      this.enter(new BroadcastChannel(names.channel(call.owner, this.id)));
    }
  }

  /** Begins a channel to another engine. Its other end may come to be after the word of welcome, so the client knocks until it answers. */
  private enter(channel: BroadcastChannel): void {
    this.leave();
    this.channel = channel;
    const knock = () => channel.postMessage({ kind: 'ping', id: 0 } satisfies Request);
    this.knocking = setInterval(knock, knockEvery);
    knock();
    channel.onmessage = () => {
      clearInterval(this.knocking);
      channel.onmessage = (event: MessageEvent<Response>) => this.receive(event.data);
      this.silence = 0;
      this.change();
    };
  }

  private call(): void {
    if (!this.owns) {
      this.calls.postMessage({ kind: 'hello', client: this.id, scope: this.scope } satisfies Call);
    }
  }

  /** This tab runs the engine from now on. */
  private take(): void {
    this.leave();
    this.owns = true;
    this.change();
  }

  /** Gives up the channel. */
  private leave(): void {
    clearInterval(this.knocking);
    this.channel?.close();
    this.channel = undefined;
  }

  /** The engine is another one: what was asked of the one before is asked again. */
  private change(): void {
    this.unanswered.clear();
    if (this.opened) {
      this.opened = false;
      this.ears?.lost(new RuntimeError('closed', 'the tab that ran the model was closed or loaded it again'), 'moved');
    } else if (this.ears) {
      this.dial();
    }
  }

  /** Asks for the model. */
  private dial(): void {
    const id = this.opening;
    if (this.owns) {
      this.own!.connect(id, { receive: (m) => this.tell(m), lost: (error, what) => this.lose(error, what) });
      return;
    }
    this.ask(id);
    if (this.channel) {
      this.channel.postMessage({ kind: 'join', id, ...this.options } satisfies Request);
    } else {
      this.call();
    }
  }

  private tell(message: Response): void {
    this.opened ||= message.kind === 'opened';
    this.ears?.receive(message);
  }

  private lose(error: RuntimeError, what: Loss): void {
    this.opened = false;
    this.ears?.lost(error, what);
  }

  private receive(message: Response): void {
    this.silence = 0;
    if (!['progress', 'notice', 'frame', 'pong'].includes(message.kind)) {
      this.unanswered.delete(message.id);
    }
    if (message.kind !== 'pong') {
      this.tell(message);
    }
  }

  /** A request waits for its answer: as long as one does, the other tab is asked whether it is alive. */
  private ask(id: number): void {
    this.unanswered.add(id);
    if (this.asking === undefined) {
      this.silence = 0;
      this.asking = setInterval(() => this.inquire(), askEvery);
    }
  }

  private inquire(): void {
    if (this.unanswered.size === 0) {
      clearInterval(this.asking);
      this.asking = undefined;
      return;
    }
    this.channel?.postMessage({ kind: 'ping', id: 0 } satisfies Request);
    if (!this.channel || this.silence > 0) {
      this.call(); // perhaps there is another engine
    }
    const error = new RuntimeError('suspended', 'the tab that runs the model does not answer');
    this.silence++;
    if (this.silence === patience.notice) {
      this.ears?.receive({ kind: 'notice', id: 0, notice: { kind: 'suspended', message: `${error.message}. ${error.hint}` } });
    } else if (this.silence > patience.failure) {
      for (const id of [...this.unanswered]) {
        this.send({ kind: 'abort', id }); // it reads this when it goes on
        this.ears?.receive({ kind: 'error', id, error: toWire(error) });
      }
    }
  }

  /** For a client that cannot run the engine: getting the lock means that no tab does, unless one waits for it as well. */
  private async watch(): Promise<void> {
    const name = names.engine(this.model);
    const { signal } = this.closing;
    try {
      for (let taken = true; taken; ) {
        taken = await navigator.locks.request(name, { mode: 'shared', signal }, async () => {
          const { pending = [] } = await navigator.locks.query();
          return pending.some((lock) => lock.name === name && lock.mode === 'exclusive');
        });
      }
      this.lose(new RuntimeError('closed', 'the tab that ran the model was closed', { hint: 'Open the model in another tab, then ask again.' }), 'end');
    } catch {
      // closed while waiting
    }
  }
}
