// Runs before the page is drawn, so that it flashes neither in the other colours nor in another language.

import { chooseLanguage, directionOf } from './languages.ts';

let settings: { theme?: string; language?: string } = {};
try {
  settings = JSON.parse(localStorage.getItem('gossamer-settings') ?? '{}') as typeof settings;
} catch {
  // damaged, or this window keeps nothing
}
const { documentElement: root } = document;
if (settings.theme === 'light' || settings.theme === 'dark') {
  root.dataset['theme'] = settings.theme;
}
const language = chooseLanguage(new URLSearchParams(location.search).get('lang'), settings.language, navigator.languages);
if (language !== 'en') {
  root.lang = language;
  root.dir = directionOf(language);
  root.dataset['untold'] = ''; // until its texts are there, which language.ts loads
}
