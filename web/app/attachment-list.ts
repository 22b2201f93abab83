// The files that are attached to what is being written, at its box.

import type { TextFile } from './conversation.ts';
import { h, icon, iconButton, pickFiles } from './dom.ts';
import { t } from './language.ts';
import { toast } from './toast.ts';

export interface AttachmentListener {
  /** Counts the tokens of a text; undefined: no model is open, which would know. */
  count(text: string): Promise<number | undefined>;
  /** Positions of the open model; undefined: none is open. */
  context(): number | undefined;
  /** A file was attached. */
  added(): void;
}

/** Characters of a token, about. */
const charactersPerToken = 4;

export class AttachmentList {
  readonly element = h('ul', { class: 'files', 'aria-label': t('attachedFiles'), hidden: true });
  /** What is attached, by the draft that it belongs to. */
  private readonly byDraft = new Map<string, TextFile[]>();
  private readonly listener: AttachmentListener;
  private draft = '';
  /** Where the focus goes when there is no file left. */
  private readonly box: HTMLElement;

  constructor(box: HTMLElement, listener: AttachmentListener) {
    [this.box, this.listener] = [box, listener];
  }

  get files(): TextFile[] {
    return this.byDraft.get(this.draft) ?? [];
  }

  /** Shows the files of a draft. */
  show(draft: string): void {
    if (draft !== this.draft) {
      this.draft = draft;
      this.render();
    }
  }

  /** Removes the files of a draft that was sent. */
  clear(files: TextFile[]): void {
    for (const [draft, kept] of this.byDraft) {
      if (kept === files) {
        this.byDraft.delete(draft);
      }
    }
    this.render();
  }

  async pick(): Promise<void> {
    await this.add(await pickFiles({ multiple: true }));
  }

  /** Attaches files, and says what is wrong with those that cannot be. */
  async add(files: File[]): Promise<void> {
    const { draft } = this;
    for (const file of files) {
      try {
        const { readTextFile } = await import('./attachments.ts');
        const read = await readTextFile(file);
        this.byDraft.set(draft, [...(this.byDraft.get(draft) ?? []), read]);
        this.render();
        this.listener.added();
        void this.measure(read);
      } catch (error) {
        toast(`${file.name}: ${(error as Error).message}`, { error: true });
      }
    }
  }

  private async measure(file: TextFile): Promise<void> {
    const tokens = await this.listener.count(file.text).catch(() => undefined);
    if (tokens !== undefined) {
      file.tokens = tokens;
      this.render();
    }
  }

  private render(): void {
    const { files } = this;
    const held = this.element.contains(document.activeElement);
    this.element.hidden = files.length === 0;
    this.element.replaceChildren(...files.map((file) => this.item(file)));
    if (held) {
      (this.element.querySelector('button') ?? this.box).focus();
    }
  }

  private item(file: TextFile): HTMLElement {
    const context = this.listener.context();
    const tokens = file.tokens ?? Math.ceil(file.text.length / charactersPerToken);
    const size = t(file.tokens === undefined ? 'aboutTokens' : 'tokens', { n: tokens });
    const isTooLong = context !== undefined && tokens > context;
    return h('li', { class: isTooLong ? 'file warning' : 'file' }, icon('file'),
      h('span', { class: 'about' }, h('strong', { title: file.name, dir: 'auto' }, file.name),
        h('span', {}, isTooLong ? t('tooLongForContext', { size, all: context }) : size)),
      iconButton('close', t('removeFile', { name: file.name }), () => {
        this.byDraft.set(this.draft, this.files.filter((f) => f !== file));
        this.render();
      }));
  }
}
