// The files that are attached to what is being written, at its box. They are kept with the draft of each conversation.

import type { TextFile } from './conversation.ts';
import { h, icon, iconButton, pickFiles } from './dom.ts';
import { DraftFiles, newDraftFile, type DraftFile } from './draft-files.ts';
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
  /** What is attached, by the draft that it belongs to, of those that were shown. */
  private readonly byDraft = new Map<string, DraftFile[]>();
  private readonly kept = new DraftFiles();
  private readonly listener: AttachmentListener;
  /** What is shown. Files that are being read while the conversation of a new draft begins belong to that. */
  private place = { draft: '' };
  /** Where the focus goes when there is no file left. */
  private readonly box: HTMLElement;

  constructor(box: HTMLElement, listener: AttachmentListener) {
    [this.box, this.listener] = [box, listener];
    this.kept.removedElsewhere((ids) => this.drop(({ id }) => ids.includes(id)));
  }

  private get entries(): DraftFile[] {
    return this.byDraft.get(this.place.draft) ?? [];
  }

  get files(): TextFile[] {
    return this.entries.map(({ file }) => file);
  }

  /** Shows the files of a draft. sent: those of the last question, as which the page may have been left before they were removed. */
  async show(draft: string, sent: TextFile[]): Promise<void> {
    if (draft === this.place.draft) {
      return;
    }
    this.place = { draft };
    this.render();
    if (this.byDraft.has(draft)) {
      return;
    }
    this.byDraft.set(draft, []);
    const stored = await this.kept.list(draft).catch(() => []);
    const isSent = ({ file }: DraftFile) => sent.some(({ name, text }) => name === file.name && text === file.text);
    void this.remove(stored.filter(isSent));
    const added = this.byDraft.get(draft)!; // meanwhile
    this.byDraft.set(draft, [...stored.filter((s) => !isSent(s) && !added.some(({ id }) => id === s.id)), ...added]);
    this.render();
  }

  /** Has what is attached now, or still being read, belong to another draft, which has begun by this one. */
  begin(draft: string): void {
    const { entries } = this;
    this.byDraft.set(this.place.draft, []);
    this.place.draft = draft;
    const moved = entries.map((entry) => ({ ...entry, draft }));
    this.byDraft.set(draft, moved);
    this.render();
    moved.forEach((entry) => void this.keep(entry).then(() => this.measure(entry)));
    void this.remove(entries);
  }

  /** Removes files that were sent, which are kept until asked resolves. */
  async clear(files: TextFile[], asked: Promise<void>): Promise<void> {
    const sent = this.drop(({ file }) => files.includes(file));
    await asked;
    await this.remove(sent);
  }

  /** Removes the files of conversations that are no more. */
  prune(isThere: (draft: string) => boolean): void {
    void this.kept.prune(isThere).catch(() => {}); // at the next visit
  }

  /** Shows some of the files no more, and returns them. */
  private drop(which: (entry: DraftFile) => boolean): DraftFile[] {
    const dropped = [...this.byDraft.values()].flat().filter(which);
    if (dropped.length > 0) {
      this.byDraft.forEach((entries, draft) => this.byDraft.set(draft, entries.filter((e) => !which(e))));
      this.render();
    }
    return dropped;
  }

  private async remove(entries: DraftFile[]): Promise<void> {
    if (entries.length > 0) {
      await this.kept.remove(entries).catch(() => {}); // the visitor can, at the next visit
    }
  }

  /** Keeps a file with its draft, and tells where there is no room for it. */
  private async keep(entry: DraftFile): Promise<void> {
    if (!(await this.kept.keep(entry).catch(() => false))) {
      toast(t('notKeptFile', { name: entry.file.name }), { error: true });
    }
  }

  async pick(): Promise<void> {
    const add = this.adding();
    await add(await pickFiles({ multiple: true }));
  }

  /** Returns what attaches files to what is shown now, and says what is wrong with those that cannot be. */
  adding(): (files: File[]) => Promise<void> {
    const { place } = this;
    return (files) => this.add(files, place);
  }

  private async add(files: File[], place: { draft: string }): Promise<void> {
    for (const file of files) {
      try {
        const { readTextFile } = await import('./attachments.ts');
        const text = await readTextFile(file);
        const { draft } = place;
        const entry = newDraftFile(draft, text);
        this.byDraft.set(draft, [...(this.byDraft.get(draft) ?? []), entry]);
        this.render();
        this.listener.added();
        void this.keep(entry).then(() => this.measure(entry));
      } catch (error) {
        toast(`${file.name}: ${(error as Error).message}`, { error: true });
      }
    }
  }

  private async measure(entry: DraftFile): Promise<void> {
    const tokens = await this.listener.count(entry.file.text).catch(() => undefined);
    if (tokens !== undefined) {
      entry.file.tokens = tokens;
      this.render();
      if (this.byDraft.get(entry.draft)?.includes(entry)) {
        void this.kept.keep(entry).catch(() => {}); // without it the size is an estimate
      }
    }
  }

  private render(): void {
    const { entries } = this;
    const held = this.element.contains(document.activeElement);
    this.element.hidden = entries.length === 0;
    this.element.replaceChildren(...entries.map((entry) => this.item(entry)));
    if (held) {
      (this.element.querySelector('button') ?? this.box).focus();
    }
  }

  private item(entry: DraftFile): HTMLElement {
    const { file } = entry;
    const context = this.listener.context();
    const tokens = file.tokens ?? Math.ceil(file.text.length / charactersPerToken);
    const size = t(file.tokens === undefined ? 'aboutTokens' : 'tokens', { n: tokens });
    const isTooLong = context !== undefined && tokens > context;
    return h('li', { class: isTooLong ? 'file warning' : 'file' }, icon('file'),
      h('span', { class: 'about' }, h('strong', { title: file.name, dir: 'auto' }, file.name),
        h('span', {}, isTooLong ? t('tooLongForContext', { size, all: context }) : size)),
      iconButton('close', t('removeFile', { name: file.name }), () => {
        void this.remove(this.drop((e) => e === entry));
      }));
  }
}
