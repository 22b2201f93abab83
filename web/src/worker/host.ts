// The worker's side of an engine that tabs share: other tabs' clients (share.ts) as guests.

import { names, type Call, type Request, type Response } from '../shared/protocol.ts';

/** What a guest sends its requests to. */
export interface Guest {
  receive(request: Request): void;
  /** The guest is gone. */
  end(): void;
}

/** Lets other tabs use this worker's engine. */
export class Host {
  private readonly id = crypto.randomUUID();
  private readonly calls: BroadcastChannel;
  private readonly channels = new Map<string, BroadcastChannel>();
  private readonly admit: (send: (message: Response) => void, scope: string | undefined) => Guest;

  /** model: URL of the manifest. admit makes a guest; scope is that of the service worker that it is in. */
  constructor(model: string, admit: (send: (message: Response) => void, scope: string | undefined) => Guest) {
    this.admit = admit;
    this.calls = new BroadcastChannel(names.calls(model));
    this.calls.onmessage = ({ data }: MessageEvent<Call>) => data.kind === 'hello' && this.welcome(data.client, data.scope);
    this.calls.postMessage({ kind: 'owner', owner: this.id } satisfies Call);
  }

  private welcome(client: string, scope: string | undefined): void {
    if (!this.channels.has(client)) {
      const channel = new BroadcastChannel(names.channel(this.id, client));
      this.channels.set(client, channel);
      const guest = this.admit((message) => this.channels.has(client) && channel.postMessage(message), scope);
      channel.onmessage = ({ data }: MessageEvent<Request>) => guest.receive(data);
      // The client holds this lock as long as it lives.
      void navigator.locks.request(names.client(client), () => {
        guest.end();
        channel.close();
        this.channels.delete(client);
      });
    }
    this.calls.postMessage({ kind: 'welcome', client, owner: this.id } satisfies Call);
  }

  /** Leaves the guests to the tab that takes over: they hear nothing more. */
  close(): void {
    this.calls.close();
    this.channels.forEach((channel) => channel.close());
    this.channels.clear();
  }
}
