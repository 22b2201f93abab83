// The conversation as it is seen. Messages that are there already stay; only what changed is touched.

import { AssistantView } from './assistant-view.ts';
import { branch, openCalls, type Conversation, type Message } from './conversation.ts';
import { h, iconButton } from './dom.ts';
import { t } from './language.ts';
import type { Actions, View } from './message-view.ts';
import { UserView } from './user-view.ts';

export class Thread {
  private readonly element: HTMLElement;
  private readonly scroller: HTMLElement;
  private readonly actions: Actions;
  private views = new Map<string, View>();
  private conversation: Conversation | undefined;
  private readonly cut = h('div', { class: 'cut', role: 'note' }, t('noLongerFits'));
  /** What is at the end where nothing replied, since the page was left before. */
  private readonly unanswered = h('div', { class: 'unanswered row' });
  /** Whether the view follows what is written. */
  private following = true;
  /** Where the view was when it was scrolled last. */
  private top = 0;
  /** Goes to the end, where the view is somewhere else. */
  private readonly end = iconButton('down', t('scrollToEnd'), () => this.toEnd(), { class: 'to-end', hidden: true });

  constructor(element: HTMLElement, scroller: HTMLElement, actions: Actions) {
    this.element = element;
    this.scroller = scroller;
    this.actions = actions;
    this.unanswered.append(h('span', { class: 'note' }, t('noReply')), h('button', { type: 'button', onclick: () => actions.reply() }, t('giveAnswer')));
    document.getElementById('foot')!.prepend(this.end);
    scroller.addEventListener('scroll', () => this.scrolled(), { passive: true });
    const resized = new ResizeObserver(() => this.follow());
    resized.observe(element);
    resized.observe(scroller);
  }

  /** Pixels of the conversation below what is seen. */
  private below(): number {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight;
  }

  /** Follows what is written for as long as nobody scrolls up: more may have come since the view was moved. */
  private scrolled(): void {
    const { scrollTop } = this.scroller;
    if (this.below() < 40) {
      this.following = true;
    } else if (scrollTop < this.top) {
      this.following = false;
    }
    this.top = scrollTop;
    this.end.hidden = !this.conversation || this.below() < 200;
  }

  private follow(): void {
    if (this.following) {
      this.scroller.scrollTop = this.scroller.scrollHeight;
      this.top = this.scroller.scrollTop;
    }
    this.end.hidden = !this.conversation || this.below() < 200;
  }

  /** Goes to the end and stays there. */
  toEnd(): void {
    this.following = true;
    this.follow();
  }

  /** Goes to the beginning and stays there: what is shown is no conversation. */
  toStart(): void {
    this.conversation = undefined;
    this.following = false;
    this.top = this.scroller.scrollTop = 0;
  }

  /** Scrolls to a message and points to it. */
  reveal(message: Message): void {
    const element = this.views.get(message.id)?.element;
    if (!element) {
      return;
    }
    this.following = false;
    element.scrollIntoView({ block: 'start' });
    element.classList.add('found');
    element.addEventListener('animationend', () => element.classList.remove('found'), { once: true });
  }

  /** Shows a conversation. */
  async show(c: Conversation): Promise<void> {
    const renderer = await import('./markdown.ts');
    if (this.conversation?.id !== c.id) {
      this.views.clear();
      this.following = true;
      this.top = 0; // what was read is gone
    }
    this.conversation = c;
    const path = branch(c);
    const elements: HTMLElement[] = [];
    const views = new Map<string, View>();
    for (const message of path) {
      if (message.role === 'tool') {
        continue; // shown with its call
      }
      const view = this.views.get(message.id) ?? (message.role === 'user' ? new UserView(this.actions, renderer) : new AssistantView(this.actions, renderer));
      view.update(message, c, path);
      views.set(message.id, view);
      elements.push(view.element);
    }
    this.views = views;
    if (!this.actions.isRunning() && path.at(-1)?.role !== 'assistant' && openCalls(path).length === 0) {
      elements.push(this.unanswered);
    }
    // Elements that are where they belong are not moved, which would end selections and lose the focus.
    const cut = this.cut.parentElement ? this.cut : undefined;
    cut?.remove();
    [...this.element.children].filter((e) => !elements.includes(e as HTMLElement)).forEach((e) => e.remove());
    elements.forEach((e, i) => {
      if (this.element.children[i] !== e) {
        this.element.insertBefore(e, this.element.children[i] ?? null);
      }
    });
  }

  /** Shows what has changed of a message that is there. */
  update(message: Message): void {
    if (this.conversation) {
      this.views.get(message.id)?.update(message, this.conversation, branch(this.conversation));
    }
  }

  /** Marks from where on the model is shown the conversation. */
  setCut(from: number): void {
    this.cut.remove();
    const first = from > 0 && this.conversation ? branch(this.conversation)[from] : undefined;
    const view = first && this.views.get(first.id);
    view?.element.before(this.cut);
  }
}
