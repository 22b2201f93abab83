// The list of conversations, beside the page or, where it is narrow, over it.

import type { Conversation } from './conversation.ts';
import { byId, h, icon, iconButton } from './dom.ts';

export interface SidebarActions {
  choose(c: Conversation): void;
  startNew(): void;
  remove(c: Conversation): void;
  rename(c: Conversation, title: string): void;
  exportMarkdown(c: Conversation): void;
  exportJSON(c: Conversation): void;
  importFiles(): void;
}

export class Sidebar {
  private readonly element = byId('sidebar');
  private readonly main = byId('main');
  private readonly list = byId('conversations');
  private readonly actions: SidebarActions;
  private readonly narrow = matchMedia('(max-width: 800px)');
  private shown = '';

  constructor(actions: SidebarActions) {
    this.actions = actions;
    byId('new-chat').append(icon('plus'), 'New conversation');
    byId('new-chat').addEventListener('click', () => actions.startNew());
    byId('import').append(icon('upload'), 'Import');
    byId('import').addEventListener('click', () => actions.importFiles());
    byId('bench-link').append(icon('gauge'), 'Benchmark');
    byId('docs-link').append(icon('book'), 'Documentation');
    byId('sidebar-close').append(iconButton('close', 'Hide conversations', () => this.close()));
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

  render(conversations: Conversation[], current: Conversation): void {
    const state = JSON.stringify([conversations.map((c) => [c.id, c.title]), current.id]);
    if (state === this.shown) {
      return;
    }
    this.shown = state;
    const focused = (document.activeElement as HTMLElement | null)?.closest('#conversations') ? document.activeElement!.id : '';
    this.list.replaceChildren(...conversations.map((c) => this.item(c, c.id === current.id)));
    if (focused) {
      document.getElementById(focused)?.focus();
    }
  }

  private item(c: Conversation, isCurrent: boolean): HTMLElement {
    const title = c.title || 'Conversation';
    const menuID = `menu-${c.id}`;
    const act = (f: () => void) => () => {
      (menu as HTMLElement & { hidePopover(): void }).hidePopover();
      f();
    };
    const menu = h('div', { id: menuID, popover: 'auto', class: 'menu' },
      h('button', { type: 'button', onclick: act(() => this.rename(c, li)) }, icon('edit'), 'Rename'),
      h('button', { type: 'button', onclick: act(() => this.actions.exportMarkdown(c)) }, icon('download'), 'Export as Markdown'),
      h('button', { type: 'button', onclick: act(() => this.actions.exportJSON(c)) }, icon('download'), 'Export as JSON'),
      h('button', { type: 'button', class: 'danger', onclick: act(() => this.actions.remove(c)) }, icon('trash'), 'Delete'));
    const more = iconButton('more', `More for ${title}`, () => {
      const box = more.getBoundingClientRect();
      menu.style.top = `${Math.min(box.bottom + 4, innerHeight - 190)}px`;
      menu.style.left = `${Math.max(8, Math.min(box.right - 210, innerWidth - 218))}px`;
    }, { popovertarget: menuID, id: `more-${c.id}` });
    const li = h('li', { class: isCurrent ? 'current' : '' },
      h('button', { type: 'button', class: 'title', id: `c-${c.id}`, dir: 'auto', ...(isCurrent && { 'aria-current': 'page' }), onclick: () => this.actions.choose(c) }, title),
      more, menu);
    return li;
  }

  private rename(c: Conversation, li: HTMLElement): void {
    const box = h('input', { type: 'text', 'aria-label': 'Title', value: c.title, dir: 'auto', maxlength: '100' });
    const done = (keep: boolean) => {
      this.shown = '';
      this.actions.rename(c, keep && box.value.trim() ? box.value.trim() : c.title);
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
