// The page's address: behind its # it says which conversation is shown and which sheet is open over it, so that back, forward, reload and
// bookmarks lead there. A new conversation has no name yet.

const sheets = ['models', 'reply', 'tools', 'format', 'app'] as const;

/** The dialog of models, or a tab of the settings. */
export type Sheet = (typeof sheets)[number];

export interface Place {
  /** Id of the conversation; undefined: a new one. */
  chat?: string | undefined;
  sheet?: Sheet | undefined;
}

export class Address {
  place: Place = read();
  /** Changes of the history, one after the other: to go back takes the browser a while. */
  private queue: Promise<void> = Promise.resolve();
  /** Is called when the browser has gone back as it was told. */
  private wentBack: (() => void) | undefined;

  /** moved is called when the visitor has gone somewhere else. */
  constructor(moved: (place: Place) => void) {
    addEventListener('popstate', () => {
      if (this.wentBack) {
        this.wentBack();
        return;
      }
      this.place = read();
      moved(this.place);
    });
  }

  /** Goes to a place, from which back leads to where the page was. */
  go(place: Place): void {
    if (href(place) !== href(this.place)) {
      this.place = place;
      this.then(() => history.pushState({ pushed: true }, '', href(place)));
    }
  }

  /** Calls the place where the page is by another name. */
  rename(place: Place): void {
    this.place = place;
    this.then(() => history.replaceState(history.state, '', href(place)));
  }

  /** Leaves the sheet: goes back to where it was opened, if that was here. */
  leaveSheet(): void {
    const { sheet, ...place } = this.place;
    if (!sheet) {
      return;
    }
    this.place = place;
    this.then(() => {
      if (!(history.state as { pushed?: boolean } | null)?.pushed) {
        history.replaceState(null, '', href(place));
        return;
      }
      return new Promise<void>((resolve) => {
        this.wentBack = () => {
          this.wentBack = undefined;
          resolve();
        };
        history.back();
      });
    });
  }

  /** The model that the address names; undefined: none. */
  get model(): string | undefined {
    return new URLSearchParams(location.search).get('model') ?? undefined;
  }

  /** Names the model that was chosen, where the address names one. */
  setModel(model: string | undefined): void {
    this.setQuery('model', model);
  }

  /** The language that the address asks for; null: none. */
  get language(): string | null {
    return new URLSearchParams(location.search).get('lang');
  }

  /** Asks for no language any more, since one was chosen. */
  forgetLanguage(): void {
    this.setQuery('lang', undefined);
  }

  private setQuery(name: string, value: string | undefined): void {
    this.then(() => {
      const url = new URL(location.href);
      if (!url.searchParams.has(name)) {
        return;
      }
      if (value === undefined) {
        url.searchParams.delete(name);
      } else {
        url.searchParams.set(name, value);
      }
      history.replaceState(history.state, '', url);
    });
  }

  private then(f: () => void | Promise<void>): void {
    this.queue = this.queue.then(f);
  }
}

function read(): Place {
  const hash = new URLSearchParams(location.hash.slice(1));
  return { chat: hash.get('chat') ?? undefined, sheet: sheets.find((s) => s === hash.get('sheet')) };
}

function href(place: Place): string {
  return location.pathname + location.search + hashOf(place);
}

/** What stands for a place in the address: empty, or with its #. */
export function hashOf({ chat, sheet }: Place): string {
  const hash = new URLSearchParams({ ...(chat && { chat }), ...(sheet && { sheet }) }).toString();
  return hash && `#${hash}`;
}
