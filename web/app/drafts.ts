// What is written and not sent yet, for each conversation: in sessionStorage for this window, and in localStorage for the next one. Unlike
// IndexedDB these have kept what they were given also where the page is left at once.

const prefix = 'gossamer-draft-';

export class Drafts {
  /** Those that the browser does not keep. */
  private readonly texts = new Map<string, string>();

  get(id: string): string {
    const stored = (storage: () => Storage) => attempt(() => storage().getItem(prefix + id)) ?? undefined;
    return this.texts.get(id) ?? stored(ofWindow) ?? stored(ofAll) ?? '';
  }

  set(id: string, text: string): void {
    this.texts.set(id, text);
    attempt(() => {
      ofWindow().setItem(prefix + id, text);
      ofAll().setItem(prefix + id, text);
      this.texts.delete(id);
    });
  }

  /** Removes what was sent. What another window has written since stays. */
  remove(id: string, sent: string): void {
    this.texts.delete(id);
    attempt(() => {
      if (ofAll().getItem(prefix + id) === sent) {
        ofAll().removeItem(prefix + id);
      }
      if (ofWindow().getItem(prefix + id) === sent) {
        ofWindow().setItem(prefix + id, ''); // not what other windows write
      }
    });
  }

  /** Calls removed when another window has sent a draft, or has removed it. */
  removedElsewhere(removed: (id: string) => void): void {
    addEventListener('storage', ({ key, newValue }) => {
      if (key?.startsWith(prefix) && !newValue) {
        removed(key.slice(prefix.length));
      }
    });
  }

  /** Removes the drafts of conversations that are no more. */
  prune(isThere: (id: string) => boolean): void {
    const isOver = (key: string) => key.startsWith(prefix) && !isThere(key.slice(prefix.length));
    for (const storage of [ofWindow, ofAll]) {
      attempt(() => Object.keys(storage()).filter(isOver).forEach((key) => storage().removeItem(key)));
    }
  }
}

const ofWindow = () => sessionStorage;
const ofAll = () => localStorage;

/** The result of f; undefined where the window keeps nothing, or has no room. */
function attempt<T>(f: () => T): T | undefined {
  try {
    return f();
  } catch {
    return undefined;
  }
}
