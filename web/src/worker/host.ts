// The worker's side of an engine that tabs share: the connections of other tabs' clients (shared-connection.ts).

import { names, type Discovery, type Request, type Response } from '../shared/protocol.ts';

/** Answers the requests of one client. */
export interface ClientSession {
  receive(request: Request): void;
  /** The client is gone. */
  end(): void;
}

/** Makes the session of a client, given how messages are sent to it. scope: of the service worker that the client is in. */
type StartSession = (send: (message: Response) => void, scope: string | undefined) => ClientSession;

/** Lets other tabs use this worker's engine. */
export class Host {
  private readonly id = crypto.randomUUID();
  private readonly discovery: BroadcastChannel;
  private readonly channels = new Map<string, BroadcastChannel>();
  private readonly startSession: StartSession;

  /** model: URL of the manifest. */
  constructor(model: string, startSession: StartSession) {
    this.startSession = startSession;
    this.discovery = new BroadcastChannel(names.discovery(model));
    this.discovery.onmessage = ({ data }: MessageEvent<Discovery>) => data.kind === 'connect' && this.accept(data.client, data.scope);
    this.discovery.postMessage({ kind: 'engine-started', engine: this.id } satisfies Discovery);
  }

  private accept(client: string, scope: string | undefined): void {
    if (!this.channels.has(client)) {
      const channel = new BroadcastChannel(names.channel(this.id, client));
      this.channels.set(client, channel);
      const session = this.startSession((message) => this.channels.has(client) && channel.postMessage(message), scope);
      channel.onmessage = ({ data }: MessageEvent<Request>) => session.receive(data);
      // The client holds this lock as long as it lives.
      void navigator.locks.request(names.client(client), () => {
        session.end();
        channel.close();
        this.channels.delete(client);
      });
    }
    this.discovery.postMessage({ kind: 'accepted', client, engine: this.id } satisfies Discovery);
  }

  /** Stops listening, so that clients connect to the engine of the tab that takes over: they receive nothing more from here. */
  close(): void {
    this.discovery.close();
    this.channels.forEach((channel) => channel.close());
    this.channels.clear();
  }
}
