// One engine for many tabs: the connection to the engine that one of them runs.
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

import { errorOf, toWire, type RuntimeError } from '../shared/errors.ts';
import type { Connection, EngineListener, Loss } from './connection.ts';
import { names, type Discovery, type JoinOptions, type Request, type Response } from '../shared/protocol.ts';

/** Milliseconds between two pings that check whether the engine's tab is alive. */
const pingEvery = 2000;
/**
 * Pings in a row without an answer before a notice, and before requests fail: the tab may be alive and wait for the GPU. Pings are
 * counted instead of time, since after the machine was asleep no tab has had a chance to answer.
 */
const unansweredPings = { notice: 4, failure: 15 };
/** Milliseconds between two pings on a new channel. */
const pingNewChannelEvery = 100;

/** A connection to the engine of whichever tab runs it. */
export class SharedConnection implements Connection {
  private readonly model: string;
  private readonly options: JoinOptions;
  /** To the engine, if this tab runs it; undefined: this client cannot run it. */
  private readonly own: Connection | undefined;
  private readonly scope: string | undefined;
  private readonly id = crypto.randomUUID();
  private readonly closing = new AbortController();
  private readonly discovery: BroadcastChannel;

  /** Whether this tab runs the engine. */
  private owns = false;
  /** The other tab's engine, and the channel to it. */
  private engine: string | undefined;
  private channel: BroadcastChannel | undefined;
  /** Id of the request to open the model. */
  private openID = 0;
  private opened = false;
  private listener: EngineListener | undefined;
  /** Requests that another tab's engine has not answered. */
  private readonly unanswered = new Set<number>();
  private newChannelTimer: ReturnType<typeof setInterval> | undefined;
  private pingTimer: ReturnType<typeof setInterval> | undefined;
  /** Pings in a row without an answer. */
  private pings = 0;

  /** model: URL of the manifest. scope: of the service worker that this client is in. */
  constructor(model: string, options: JoinOptions, own?: Connection, scope?: string) {
    this.model = model;
    this.options = options;
    this.own = own;
    this.scope = scope;
    this.discovery = new BroadcastChannel(names.discovery(model));
    this.discovery.onmessage = (event: MessageEvent<Discovery>) => this.discover(event.data);
    this.holdLock(names.client(this.id), () => this.requestChannel());
    if (own) {
      this.holdLock(names.engine(model), () => this.takeOver());
    } else {
      void this.endWithoutEngine();
    }
  }

  connect(id: number, listener: EngineListener): void {
    this.openID = id;
    this.listener = listener;
    this.opened = false;
    this.openModel();
  }

  send(request: Exclude<Request, { kind: 'open' }>): void {
    if (this.owns) {
      this.own!.send(request);
    } else if (request.kind === 'close') {
      this.listener?.receive({ kind: 'done', id: request.id }); // only this client ends, not the engine
    } else if (request.kind === 'abort') {
      this.unanswered.delete(request.id);
      this.channel?.postMessage(request);
    } else {
      this.expectAnswer(request.id);
      this.channel?.postMessage(request);
    }
  }

  close(): void {
    this.closing.abort();
    this.closeChannel();
    this.unanswered.clear();
    clearInterval(this.pingTimer);
    this.discovery.close();
    this.own?.close();
  }

  /** Holds a lock from when it is free until the connection is closed. */
  private holdLock(name: string, then: () => void): void {
    const { signal } = this.closing;
    const held = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    navigator.locks.request(name, { signal }, () => {
      then();
      return held;
    }).catch(() => {}); // closed while waiting
  }

  private discover(message: Discovery): void {
    if (this.owns || message.kind === 'connect' || message.engine === this.engine) {
      return;
    }
    if (message.kind === 'engine-started') {
      this.requestChannel();
    } else if (message.client === this.id) {
      this.engine = message.engine;
      this.openChannel(new BroadcastChannel(names.channel(message.engine, this.id)));
    }
  }

  private requestChannel(): void {
    if (!this.owns) {
      this.discovery.postMessage({ kind: 'connect', client: this.id, scope: this.scope } satisfies Discovery);
    }
  }

  /** Begins to use the channel to another engine. The engine may open its end later than it has accepted, so pings are sent until it answers. */
  private openChannel(channel: BroadcastChannel): void {
    this.closeChannel();
    this.channel = channel;
    const ping = () => channel.postMessage({ kind: 'ping', id: 0 } satisfies Request);
    this.newChannelTimer = setInterval(ping, pingNewChannelEvery);
    ping();
    channel.onmessage = () => {
      clearInterval(this.newChannelTimer);
      channel.onmessage = (event: MessageEvent<Response>) => this.receive(event.data);
      this.pings = 0;
      this.changeEngine();
    };
  }

  private closeChannel(): void {
    clearInterval(this.newChannelTimer);
    this.channel?.close();
    this.channel = undefined;
  }

  /** This tab runs the engine from now on. */
  private takeOver(): void {
    this.closeChannel();
    this.owns = true;
    this.changeEngine();
  }

  /** The engine is another one, which has to open the model. The client sends its requests again once that is done. */
  private changeEngine(): void {
    this.unanswered.clear();
    if (this.opened) {
      this.lose(errorOf('closed', 'tab-gone'), 'moved');
    } else if (this.listener) {
      this.openModel();
    }
  }

  /** Asks the engine to open the model. */
  private openModel(): void {
    const id = this.openID;
    if (this.owns) {
      this.own!.connect(id, { receive: (m) => this.deliver(m), lost: (error, loss) => this.lose(error, loss) });
      return;
    }
    this.expectAnswer(id);
    if (this.channel) {
      this.channel.postMessage({ kind: 'join', id, ...this.options } satisfies Request);
    } else {
      this.requestChannel();
    }
  }

  private receive(message: Response): void {
    this.pings = 0;
    if (!['progress', 'notice', 'prompt', 'frame', 'pong'].includes(message.kind)) {
      this.unanswered.delete(message.id);
    }
    if (message.kind !== 'pong') {
      this.deliver(message);
    }
  }

  private deliver(message: Response): void {
    this.opened ||= message.kind === 'opened';
    this.listener?.receive(message);
  }

  private lose(error: RuntimeError, loss: Loss): void {
    this.opened = false;
    this.listener?.lost(error, loss);
  }

  /** Notes that a request waits for its answer. As long as one does, the other tab is pinged. */
  private expectAnswer(id: number): void {
    this.unanswered.add(id);
    if (this.pingTimer === undefined) {
      this.pings = 0;
      this.pingTimer = setInterval(() => this.checkAlive(), pingEvery);
    }
  }

  private checkAlive(): void {
    if (this.unanswered.size === 0) {
      clearInterval(this.pingTimer);
      this.pingTimer = undefined;
      return;
    }
    this.channel?.postMessage({ kind: 'ping', id: 0 } satisfies Request);
    if (!this.channel || this.pings > 0) {
      this.requestChannel(); // there may be another engine
    }
    const error = errorOf('suspended', 'tab-silent');
    this.pings++;
    if (this.pings === unansweredPings.notice) {
      this.listener?.receive({ kind: 'notice', id: 0, notice: { kind: 'suspended', message: `${error.message}. ${error.hint}` } });
    } else if (this.pings > unansweredPings.failure) {
      for (const id of [...this.unanswered]) {
        this.send({ kind: 'abort', id }); // the tab reads this when it is resumed
        this.listener?.receive({ kind: 'error', id, error: toWire(error) });
      }
    }
  }

  /**
   * For a client that cannot run the engine: reports the end when no tab runs it. The lock can be had then, but also for a moment
   * before another tab takes over, which then waits for it as well.
   */
  private async endWithoutEngine(): Promise<void> {
    const name = names.engine(this.model);
    const { signal } = this.closing;
    try {
      for (let taken = true; taken; ) {
        taken = await navigator.locks.request(name, { mode: 'shared', signal }, async () => {
          const { pending = [] } = await navigator.locks.query();
          return pending.some((lock) => lock.name === name && lock.mode === 'exclusive');
        });
      }
      this.lose(errorOf('closed', 'tab-closed', {}, { hint: 'Open the model in another tab, then ask again.' }), 'ended');
    } catch {
      // closed while waiting
    }
  }
}
