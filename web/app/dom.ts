// Building the page without a framework: elements, icons, and what is said to screen readers.

import { date } from './language.ts';
import { put, textOf, Words, type Said } from './words.ts';

type Child = Node | Said | undefined | null | false;
type Props = { [name: string]: unknown };

/**
 * Makes an element. Properties that the element has are set as such, functions listen, everything else becomes an attribute. Words follow
 * the language.
 */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, props: Props = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) {
      continue;
    }
    if (value instanceof Words) {
      put(element, name, value);
    } else if (name === 'class') {
      element.className = String(value);
    } else if (typeof value === 'function') {
      element.addEventListener(name.replace(/^on/, ''), value as EventListener);
    } else if (['value', 'checked', 'disabled', 'open', 'hidden', 'textContent', 'selected'].includes(name)) {
      (element as unknown as Props)[name] = value;
    } else {
      element.setAttribute(name, value === true ? '' : String(value));
    }
  }
  element.append(...children.filter((c) => c !== undefined && c !== null && c !== false).map((c) => (c instanceof Words ? textOf(c) : c)));
  return element;
}

/** The element with an id, which the page's HTML has. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

// Strokes on a grid of 24.
const icons = {
  menu: 'M4 6h16M4 12h16M4 18h16',
  plus: 'M12 5v14M5 12h14',
  close: 'M6 6l12 12M18 6L6 18',
  send: 'M12 19V5M6 11l6-6 6 6',
  stop: 'M8 8h8v8H8z',
  copy: 'M9 9h10v11H9zM15 9V4H5v11h4',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  edit: 'M4 20h4L19 9l-4-4L4 16zM13.5 6.5l4 4',
  redo: 'M20 11a8 8 0 1 0-2.3 6M20 5v6h-6',
  left: 'M14 6l-6 6 6 6',
  right: 'M10 6l6 6-6 6',
  down: 'M6 10l6 6 6-6',
  more: 'M5 12h.01M12 12h.01M19 12h.01',
  tool: 'M14.5 6a4 4 0 0 0-5 5L4 16.5 7.5 20l5.5-5.5a4 4 0 0 0 5-5l-2.5 2.5-3-.5-.5-3z',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4',
  chip: 'M8 8h8v8H8zM5 5h14v14H5zM9 2v3M15 2v3M9 19v3M15 19v3M2 9h3M2 15h3M19 9h3M19 15h3',
  trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13',
  download: 'M12 4v11M7 10l5 5 5-5M5 20h14',
  upload: 'M12 15V4M7 9l5-5 5 5M5 20h14',
  folder: 'M3 7h6l2 2h10v10H3z',
  pause: 'M9 6v12M15 6v12',
  play: 'M8 5.5v13l10-6.5z',
  pin: 'M9 4h6l-.5 6 3.5 3.5H6L9.5 10zM12 13.5V20',
  clip: 'M19 11l-7.5 7.5a4.5 4.5 0 0 1-6.400-6.400L13 4.300a3 3 0 0 1 4.300 4.300l-7.800 7.700a1.5 1.5 0 0 1-2.100-2.100L14.5 7',
  file: 'M6 3h8l5 5v13H6zM14 3v5h5',
  braces: 'M9 4c-3 0-2 4-2.5 6-.3 1.3-1.5 2-2.5 2 1 0 2.2.7 2.5 2 .5 2-.5 6 2.5 6M15 4c3 0 2 4 2.5 6 .3 1.3 1.5 2 2.5 2-1 0-2.2.7-2.5 2-.5 2 .5 6-2.5 6',
  gauge: 'M4 18a9 9 0 1 1 16 0M12 14l4-5',
  book: 'M4 5h6a2 2 0 0 1 2 2v12a2 2 0 0 0-2-2H4zM20 5h-6a2 2 0 0 0-2 2v12a2 2 0 0 1 2-2h6z',
};
export type Icon = keyof typeof icons;

/** An icon; the name of what it stands for is its neighbour's business. */
export function icon(name: Icon): SVGSVGElement {
  const ns = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(ns, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', name === 'left' || name === 'right' ? 'icon turns' : 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(ns, 'path');
  path.setAttribute('d', icons[name]);
  svg.append(path);
  return svg;
}

/** A button that shows only an icon. */
export function iconButton(name: Icon, label: Said, onclick: (event: MouseEvent) => void, props: Props = {}): HTMLButtonElement {
  const { class: extra = '', ...rest } = props;
  return h('button', { type: 'button', class: `icon-button ${extra}`, 'aria-label': label, title: label, onclick, ...rest }, icon(name));
}

/** A time of day, with its date where it is not today. */
export function timeOf(ms: number): HTMLElement | undefined {
  const time = new Date(ms);
  if (Number.isNaN(time.getTime()) || ms < 1e9) {
    return undefined; // nobody knows it
  }
  const isToday = time.toDateString() === new Date().toDateString();
  return h('time', { datetime: time.toISOString(), title: date(time, { dateStyle: 'full', timeStyle: 'medium' }) },
    date(time, { ...(!isToday && { dateStyle: 'medium' }), timeStyle: 'short' }));
}

/** Says something to screen readers only. */
export function announce(words: Said): void {
  const region = byId('live');
  region.textContent = '';
  setTimeout(() => (region.textContent = String(words)), 50); // a change of the text is what they tell of
}

/** Hands a file to the visitor. */
export function saveFile(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  h('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Asks for files. */
export function pickFiles({ accept, multiple = false, directory = false }: { accept?: string; multiple?: boolean; directory?: boolean } = {}): Promise<File[]> {
  return new Promise((resolve) => {
    const input = h('input', { type: 'file', accept, multiple, webkitdirectory: directory, hidden: true });
    // Safari wants it in the page, and so do automated visitors.
    document.body.append(input);
    const done = (files: File[]) => {
      input.remove();
      resolve(files);
    };
    input.addEventListener('change', () => done([...(input.files ?? [])]));
    input.addEventListener('cancel', () => done([]));
    input.click();
  });
}

/** Calls f at most once a frame, and also in a tab that is not shown, where there are no frames. */
export function oncePerFrame(f: () => void): () => void {
  let waiting = false;
  return () => {
    if (waiting) {
      return;
    }
    waiting = true;
    const run = () => {
      if (waiting) {
        waiting = false;
        f();
      }
    };
    if (document.hidden) {
      setTimeout(run, 250);
    } else {
      requestAnimationFrame(run);
      setTimeout(run, 500); // should the tab be hidden meanwhile
    }
  };
}
