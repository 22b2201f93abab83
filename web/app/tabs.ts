// Tabs of a dialog.

import { h } from './dom.ts';
import { t } from './language.ts';
import type { Said } from './words.ts';

/** Tabs as screen readers and keyboards know them: arrows go from one to the next. chosen is told of the visitor's choice. */
export function makeTabs<T extends string>(names: [T, Said][], pages: Record<T, HTMLElement>, chosen: (tab: T) => void): { list: HTMLElement; show(tab: T): void } {
  const buttons = names.map(([name, label]) =>
    h('button', { type: 'button', role: 'tab', id: `tab-${name}`, 'aria-controls': `page-${name}`, onclick: () => choose(name) }, label));
  const list = h('div', { class: 'tabs', role: 'tablist', 'aria-label': t('settings'), onkeydown: (e: KeyboardEvent) => {
    const at = buttons.findIndex((b) => b.getAttribute('aria-selected') === 'true');
    const forward = document.dir === 'rtl' ? -1 : 1;
    const step = { ArrowRight: forward, ArrowLeft: -forward }[e.key];
    const to = e.key === 'Home' ? 0 : e.key === 'End' ? names.length - 1 : step === undefined ? undefined : (at + step + names.length) % names.length;
    if (to !== undefined) {
      e.preventDefault();
      choose(names[to]![0]);
      buttons[to]!.focus();
    }
  } }, ...buttons);
  for (const [name] of names) {
    pages[name].id = `page-${name}`;
    pages[name].setAttribute('role', 'tabpanel');
    pages[name].setAttribute('aria-labelledby', `tab-${name}`);
  }
  const show = (tab: T) => names.forEach(([name], i) => {
    const selected = name === tab;
    buttons[i]!.setAttribute('aria-selected', String(selected));
    buttons[i]!.tabIndex = selected ? 0 : -1;
    pages[name].hidden = !selected;
  });
  const choose = (tab: T) => {
    show(tab);
    chosen(tab);
  };
  return { list, show };
}
