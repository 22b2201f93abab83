// What is written and not sent yet, for each conversation, in localStorage: unlike IndexedDB it has kept what it was given also where the
// page is left at once.

const prefix = 'gossamer-draft-';

export class Drafts {
  /** Those that the browser does not keep. */
  private readonly texts = new Map<string, string>();

  get(id: string): string {
    return this.texts.get(id) ?? this.stored(id) ?? '';
  }

  private stored(id: string): string | null {
    try {
      return localStorage.getItem(prefix + id);
    } catch {
      return null; // this window keeps nothing
    }
  }

  set(id: string, text: string): void {
    this.texts.delete(id);
    try {
      if (text) {
        localStorage.setItem(prefix + id, text);
      } else {
        localStorage.removeItem(prefix + id);
      }
    } catch {
      this.texts.set(id, text);
    }
  }

  /** Calls changed when another window has changed a draft. */
  follow(changed: (id: string, before: string, now: string) => void): void {
    addEventListener('storage', ({ key, oldValue, newValue }) => {
      if (key?.startsWith(prefix)) {
        changed(key.slice(prefix.length), oldValue ?? '', newValue ?? '');
      }
    });
  }

  /** Removes the drafts of conversations that are no more. */
  prune(isThere: (id: string) => boolean): void {
    for (const key of Object.keys(localStorage)) {
      if (key.startsWith(prefix) && !isThere(key.slice(prefix.length))) {
        localStorage.removeItem(key);
      }
    }
  }
}
