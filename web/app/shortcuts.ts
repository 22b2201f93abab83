// Keys that work anywhere on the page. The settings list them (panel.ts).

export interface Shortcuts {
  /** Whether a reply is being written. */
  isRunning(): boolean;
  stop(): void;
  /** Goes to the message box. */
  write(): void;
  startNew(): void;
  search(): void;
}

/** Takes the keys, but for those that are for an open dialog. */
export function takeShortcuts(does: Shortcuts): void {
  addEventListener('keydown', (event) => {
    if (document.querySelector('dialog[open]')) {
      return;
    }
    const { key, code, ctrlKey, metaKey, shiftKey, altKey } = event;
    const isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test((event.target as HTMLElement).tagName);
    const isCommand = (ctrlKey || metaKey) && !altKey;
    if (key === 'Escape' && does.isRunning()) {
      does.stop();
    } else if (key === '/' && !isTyping && !ctrlKey && !metaKey && !altKey) {
      event.preventDefault();
      does.write();
    } else if (code === 'KeyO' && shiftKey && isCommand) {
      event.preventDefault();
      does.startNew();
    } else if (code === 'KeyK' && !shiftKey && isCommand) {
      event.preventDefault();
      does.search();
    }
  });
}
