/** A token, and when it was known. */
export interface ReplyToken {
  id: number;
  /** In the reply, from 0. */
  index: number;
  /** Since the engine began with the request; after the engine was lost, with the request that repeats it. */
  milliseconds: number;
}

/** The tokens of a reply, of which each is told once, however often the reply begins again. */
export class TokenList {
  readonly ids: number[];
  private readonly tell: ((token: ReplyToken) => void) | undefined;
  private heard = 0;
  private told = 0;

  /** ids: of the reply's beginning, which is told again. */
  constructor(tell: ((token: ReplyToken) => void) | undefined, ids: number[] = []) {
    this.tell = tell;
    this.ids = [...ids];
  }

  /** Adds ids and milliseconds, by turns. */
  add(news: number[]): void {
    for (let i = 0; i < news.length; i += 2) {
      const index = this.heard++, id = news[i]!;
      this.ids[index] = id;
      if (index === this.told) {
        this.told++;
        this.tell?.({ id, index, milliseconds: news[i + 1]! });
      }
    }
  }

  /** The reply begins again: with what is known of it. */
  restart(): { reply: number[] } {
    this.heard = 0;
    return { reply: [...this.ids] };
  }
}
