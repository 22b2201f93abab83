// At most one window at a time replies in a conversation, so that messages follow each other also where several windows write. A window
// that is closed or crashes holds nothing any more.

const lockName = (id: string) => `gossamer turn ${id}`;

export class TurnLock {
  private readonly channel = new BroadcastChannel('gossamer-turns');
  /** Pages that are not secure have none: there, windows that write at the same moment begin branches. */
  private readonly locks: LockManager | undefined = navigator.locks;

  /** stop is called when another window wants this one's reply in a conversation to end. */
  constructor(stop: (id: string) => void) {
    this.channel.addEventListener('message', (event: MessageEvent<string>) => stop(event.data));
  }

  /** Runs f when no other window replies in the conversation. Rejects with the signal's reason if that ends the waiting. */
  async run(id: string, signal: AbortSignal, f: () => Promise<void>): Promise<void> {
    await (this.locks ? this.locks.request(lockName(id), { signal }, f) : f());
  }

  /** The conversations in which some window replies. */
  async held(): Promise<(id: string) => boolean> {
    const names = new Set((await this.locks?.query())?.held?.map((l) => l.name));
    return (id) => names.has(lockName(id));
  }

  /** Resolves when no window replies in a conversation. */
  async free(id: string): Promise<void> {
    await this.locks?.request(lockName(id), { mode: 'shared' }, () => {});
  }

  /** Has another window end its reply. */
  stop(id: string): void {
    this.channel.postMessage(id);
  }
}
