// The list of conversations, beside the page or, where it is narrow, over it.

import { hashOf } from './address.ts';
import type { Conversation, Message } from './conversation.ts';
import { announce, byId, h, icon, iconButton } from './dom.ts';
import { date, t } from './language.ts';
import { periods, search, type Hit } from './search.ts';
import { joined, textOf } from './words.ts';

export interface SidebarActions {
  /** message: what was looked for is there. */
  choose(c: Conversation, message?: Message): void;
  startNew(): void;
  remove(c: Conversation): void;
  rename(c: Conversation, title: string): void;
  pin(c: Conversation, pinned: boolean): void;
  exportMarkdown(c: Conversation): Promise<void>;
  exportJSON(c: Conversation): Promise<void>;
  importFiles(): void;
}

/** So few conversations need no search. */
const fewConversations = 3;

export class Sidebar {
  private readonly element = byId('sidebar');
  private readonly main = byId('main');
  private readonly list = byId('conversations');
  private readonly query = byId<HTMLInputElement>('search');
  private conversations: Conversation[] = [];
  private current: Conversation | undefined;
  private readonly actions: SidebarActions;
  private readonly narrow = matchMedia('(max-width: 800px)');
  private shown = '';

  constructor(actions: SidebarActions) {
    this.actions = actions;
    byId('new-chat').append(icon('plus'), textOf(t('newConversation')));
    byId('new-chat').addEventListener('click', () => actions.startNew());
    byId('import').append(icon('upload'), textOf(t('import')));
    byId('import').addEventListener('click', () => actions.importFiles());
    byId('bench-link').append(icon('gauge'), textOf(t('benchmark')));
    byId('docs-link').append(icon('book'), textOf(t('documentation')));
    byId('sidebar-close').append(iconButton('close', t('hideConversations'), () => this.close()));
    this.query.addEventListener('input', () => this.find());
    this.query.addEventListener('keydown', (e) => this.queryKey(e));
    this.element.addEventListener('keydown', (e) => {
      if (e.key === 'Escape' && this.element.classList.contains('open') && !document.querySelector('[popover]:popover-open')) {
        this.close();
      }
    });
    this.main.addEventListener('click', (e) => {
      if (this.element.classList.contains('open') && !(e.target as HTMLElement).closest('#menu')) {
        this.close();
      }
    });
    this.narrow.addEventListener('change', () => this.close());
    this.close();
  }

  /** Over a narrow page the list is there only when asked for, and then it alone. */
  open(): void {
    this.element.classList.add('open');
    this.element.inert = false;
    this.element.querySelector<HTMLElement>('button')?.focus();
  }

  close(): void {
    const wasOpen = this.element.classList.contains('open');
    this.element.classList.remove('open');
    this.element.inert = this.narrow.matches;
    if (wasOpen) {
      document.getElementById('menu')?.focus();
    }
  }

  /** Goes to the search. */
  search(): void {
    this.open();
    this.query.hidden = false;
    this.query.focus();
    this.query.select();
  }

  private queryKey(e: KeyboardEvent): void {
    if (e.key === 'Escape' && this.query.value) {
      e.stopPropagation();
      this.query.value = '';
      this.find();
    } else if (e.key === 'ArrowDown' || (e.key === 'Enter' && this.query.value && !e.isComposing)) {
      e.preventDefault();
      const first = this.list.querySelector<HTMLElement>('.title');
      e.key === 'Enter' ? first?.click() : first?.focus();
    }
  }

  private find(): void {
    this.draw();
    if (this.query.value.trim()) {
      const n = this.list.querySelectorAll('li').length;
      announce(t('foundConversations', { n }));
    }
  }

  render(conversations: Conversation[], current: Conversation): void {
    [this.conversations, this.current] = [conversations, current];
    this.query.hidden = conversations.length <= fewConversations && !this.query.value && document.activeElement !== this.query;
    this.draw();
  }

  private draw(): void {
    const { conversations, current } = this;
    const query = this.query.value.trim();
    const today = new Date().toDateString();
    const seen = conversations.map((c) => [c.id, c.title, c.pinned, query ? c.updated : new Date(c.updated).toDateString()]);
    const state = JSON.stringify([query, today, current?.id, seen]);
    if (state === this.shown) {
      return;
    }
    this.shown = state;
    const focused = this.list.contains(document.activeElement) ? document.activeElement!.id : '';
    this.list.replaceChildren(...(query ? this.results(search(conversations, query)) : this.groups()));
    if (focused) {
      (document.getElementById(focused) ?? this.query).focus();
    }
  }

  private groups(): HTMLElement[] {
    const all = periods(this.conversations);
    const isPlain = all.length === 1 && all[0]!.id === 'today'; // which says nothing
    return all.flatMap(({ name, conversations }, i) => [
      ...(isPlain ? [] : [h('h2', { id: `period-${i}` }, name)]),
      h('ul', isPlain ? {} : { 'aria-labelledby': `period-${i}` }, ...conversations.map((c) => this.item(c)))]);
  }

  private results(hits: Hit[]): HTMLElement[] {
    if (hits.length === 0) {
      return [h('p', { class: 'muted none' }, t('nothingFound'))];
    }
    return [h('ul', { 'aria-label': t('found') }, ...hits.map((hit) => this.item(hit.conversation, hit)))];
  }

  private item(c: Conversation, hit?: Hit): HTMLElement {
    const title = c.title || t('conversation');
    const isCurrent = c.id === this.current?.id;
    const menuID = `menu-${c.id}`;
    const act = (f: () => void) => () => {
      (menu as HTMLElement & { hidePopover(): void }).hidePopover();
      f();
    };
    const menu = h('div', { id: menuID, popover: 'auto', class: 'menu' },
      h('button', { type: 'button', onclick: act(() => this.actions.pin(c, !c.pinned)) }, icon('pin'), t(c.pinned ? 'unpin' : 'pin')),
      h('button', { type: 'button', onclick: act(() => this.rename(c, li)) }, icon('edit'), t('rename')),
      h('button', { type: 'button', onclick: act(() => void this.actions.exportMarkdown(c)) }, icon('download'), t('exportMarkdown')),
      h('button', { type: 'button', onclick: act(() => void this.actions.exportJSON(c)) }, icon('download'), t('exportJSON')),
      h('button', { type: 'button', class: 'danger', onclick: act(() => this.actions.remove(c)) }, icon('trash'), t('delete')));
    const more = iconButton('more', t('moreFor', { title }), () => {
      const box = more.getBoundingClientRect();
      menu.style.top = `${Math.max(8, Math.min(box.bottom + 4, innerHeight - menu.offsetHeight - 8))}px`;
      const from = document.dir === 'rtl' ? box.left : box.right - menu.offsetWidth;
      menu.style.left = `${Math.max(8, Math.min(from, innerWidth - menu.offsetWidth - 8))}px`;
    }, { popovertarget: menuID, id: `more-${c.id}` });
    const when = new Date(c.updated);
    const used = date(when, { dateStyle: 'full', timeStyle: 'short' });
    // The link is a whole URL: one that begins with # is taken for a way to a part of this page by programs that check it.
    const li = h('li', { class: isCurrent ? 'current' : '' },
      h('a', {
        class: 'title', id: `c-${c.id}`, href: new URL(hashOf({ chat: c.id }), location.href).href, dir: 'auto', title: joined([title, used], '\n'),
        ...(isCurrent && { 'aria-current': 'page' }), ...opens(() => this.actions.choose(c, hit?.message)),
      }, h('span', {}, title), hit?.message && excerptOf(hit),
      hit && h('time', { datetime: when.toISOString() }, date(when, { dateStyle: 'medium' }))),
      more, menu);
    return li;
  }

  private rename(c: Conversation, li: HTMLElement): void {
    const box = h('input', { type: 'text', 'aria-label': t('titleOf'), value: c.title, dir: 'auto', maxlength: '100' });
    const done = (keep: boolean) => {
      this.shown = '';
      const title = keep && box.value.trim();
      if (title) {
        this.actions.rename(c, title);
      } else {
        this.draw();
      }
    };
    box.addEventListener('keydown', (e) => {
      if (e.key === 'Enter' && !e.isComposing) {
        done(true);
      } else if (e.key === 'Escape') {
        e.stopPropagation();
        done(false);
      }
    });
    box.addEventListener('blur', () => box.isConnected && done(true));
    li.replaceChildren(box);
    box.focus();
    box.select();
  }
}

/** Opens a link's place in this window, unless the visitor wants another one for it. Space opens it too, as a button. */
function opens(open: () => void): { onclick: (e: MouseEvent) => void; onkeydown: (e: KeyboardEvent) => void } {
  return {
    onclick: (e) => {
      if (!e.ctrlKey && !e.metaKey && !e.shiftKey && !e.altKey) {
        e.preventDefault();
        open();
      }
    },
    onkeydown: (e) => {
      if (e.key === ' ') {
        e.preventDefault();
        open();
      }
    },
  };
}

/** What was found, with what is around it. */
function excerptOf({ excerpt, start, end }: Hit): HTMLElement {
  return h('span', { class: 'excerpt' }, excerpt.slice(0, start), h('mark', {}, excerpt.slice(start, end)), excerpt.slice(end));
}
