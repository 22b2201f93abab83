/** Colours and sizes are custom properties of the page, --gossamer-*; without them it is light or dark as the page is. */
export const style = `
:host {
  --paper: var(--gossamer-paper, light-dark(#fbfaf8, #1a191d)); --ink: var(--gossamer-ink, light-dark(#24222a, #e8e5ea));
  --soft: var(--gossamer-soft, light-dark(#65616e, #a29dab)); --line: var(--gossamer-line, light-dark(#8d8899, #716c7c));
  --bubble: var(--gossamer-bubble, light-dark(#ece9f6, #2e2b40)); --accent: var(--gossamer-accent, light-dark(#4f46a5, #a9a1f5));
  --on-accent: var(--gossamer-on-accent, light-dark(#fff, #1b1836)); --bad: var(--gossamer-bad, light-dark(#ab2424, #ff9c92));
  --radius: var(--gossamer-radius, 12px);
  display: flex; flex-direction: column; box-sizing: border-box; block-size: 30rem; max-inline-size: 46rem; min-inline-size: 0;
  border: 1px solid var(--line); border-radius: var(--radius); overflow: hidden; background: var(--paper); color: var(--ink);
  font: var(--gossamer-font, 1rem/1.55 system-ui, sans-serif); text-align: start;
}
:host([hidden]), [hidden] { display: none !important; }
* { box-sizing: border-box; font: inherit; color: inherit; margin: 0; }
#log { flex: 1; overflow-y: auto; padding: 1rem; display: flex; flex-direction: column; gap: .75rem; outline-offset: -3px; }
.user, .answer p, .answer div, .card { white-space: pre-wrap; overflow-wrap: anywhere; }
.user { align-self: flex-end; max-inline-size: 85%; padding: .5rem .8rem; border-radius: var(--radius); background: var(--bubble); }
.answer details { color: var(--soft); font-size: .9em; }
summary { cursor: pointer; min-block-size: 24px; }
.note { color: var(--soft); font-size: .9em; }
.card { border: 1px solid var(--line); border-radius: var(--radius); padding: .8rem; display: grid; gap: .6rem; justify-items: start; }
.card strong { font-weight: 600; }
.bad { color: var(--bad); }
progress { inline-size: 100%; accent-color: var(--accent); }
form { display: flex; align-items: flex-end; gap: .5rem; padding: .75rem; border-block-start: 1px solid var(--line); }
textarea {
  flex: 1; min-inline-size: 0; resize: none; field-sizing: content; min-block-size: 44px; max-block-size: 10rem; padding: .55rem .8rem;
  border: 1px solid var(--line); border-radius: var(--radius); background: transparent;
}
::placeholder { color: var(--soft); opacity: 1; }
:placeholder-shown { direction: inherit; }
button {
  min-block-size: 44px; min-inline-size: 44px; padding: 0 1rem; border: 1px solid transparent; border-radius: var(--radius); cursor: pointer;
  background: var(--accent); color: var(--on-accent);
}
@media (forced-colors: active) { button { background: ButtonFace; color: ButtonText; border-color: ButtonText; forced-color-adjust: none; } }
@media (forced-colors: none) { button.quiet { background: transparent; color: inherit; border-color: var(--line); } }
.row { display: flex; flex-wrap: wrap; gap: .5rem; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.sr { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); }
`;
