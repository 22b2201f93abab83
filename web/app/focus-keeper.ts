// Keeps the focus in the page when the element that has it goes: is removed, hidden or disabled. Without it keyboards begin again at the top
// of the page, and screen readers lose their place.

const focusable = 'a[href], button, input, select, textarea, summary, [tabindex]';

/** Watches the page. Where the focus would be lost it goes to what took the element's place, or else to fallback. */
export function keepFocus(fallback: () => HTMLElement): void {
  /** What has the focus, and what it is in, the innermost first. */
  let last: HTMLElement | undefined;
  let around: Element[] = [];
  document.addEventListener('focusin', (event) => {
    last = event.target as HTMLElement;
    around = [];
    for (let e = last.parentElement; e; e = e.parentElement) {
      around.push(e);
    }
  });
  document.addEventListener('focusout', (event) => {
    // Whoever clicks beside everything wants no focus. An element that is going is not there any more when this has passed.
    if (event.relatedTarget === null && event.target === last) {
      setTimeout(() => {
        if (last === event.target && canFocus(last)) {
          last = undefined;
        }
      });
    }
  });
  let isDue = false;
  const check = () => {
    isDue = false;
    if (!last || (document.activeElement && document.activeElement !== document.body)) {
      return;
    }
    if (!canFocus(last)) {
      const next = successor(last, around) ?? fallback();
      last = undefined;
      next.focus({ preventScroll: true });
    }
  };
  // Later, so that whoever has changed the page, or closed a dialog, may move the focus first.
  const checkSoon = () => {
    if (!isDue) {
      isDue = true;
      setTimeout(check);
    }
  };
  const attributeFilter = ['hidden', 'disabled', 'open', 'inert'];
  new MutationObserver(checkSoon).observe(document.body, { subtree: true, childList: true, attributeFilter });
  document.addEventListener('close', checkSoon, true); // of dialogs
}

function canFocus(e: HTMLElement): boolean {
  return e.isConnected && !e.matches(':disabled') && e.checkVisibility() && !e.closest('[inert]');
}

/** The element of the same name in the nearest place that is still there, or else the first one there that can have the focus. */
function successor(lost: HTMLElement, around: Element[]): HTMLElement | undefined {
  const name = nameOf(lost);
  for (const place of around) {
    if (!place.isConnected || place.matches('html, body, #main, #scroll, #thread, form#composer')) {
      continue; // too far away to be where the visitor was
    }
    const all = [...place.querySelectorAll<HTMLElement>(focusable)].filter((e) => e.tabIndex >= 0 && canFocus(e));
    const found = all.find((e) => nameOf(e) === name) ?? all[0];
    if (found) {
      return found;
    }
  }
  return undefined;
}

const nameOf = (e: HTMLElement) => e.getAttribute('aria-label') ?? e.textContent;
