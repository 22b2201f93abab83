// Which language the page speaks: the one that its address asks for, that is set, or that the browser prefers.

import type { Address } from './address.ts';
import { language, speak, t } from './language.ts';
import { chooseLanguage } from './languages.ts';
import { saveSettings, type Settings } from './settings.ts';
import { toast } from './toast.ts';

export class LanguageChoice {
  private readonly settings: Settings;
  private readonly address: Address;

  constructor(settings: Settings, address: Address) {
    [this.settings, this.address] = [settings, address];
    addEventListener('languagechange', () => void this.speak());
  }

  /** Speaks the language that is chosen. Resolves when it is spoken, or is told not to be there. */
  async speak(asked = this.address.language): Promise<void> {
    try {
      await speak(chooseLanguage(asked, this.settings.language, navigator.languages));
    } catch {
      toast(t('languageNotLoaded'), { error: true });
      return;
    }
    // The service worker keeps its texts, for when there is no network.
    void navigator.serviceWorker?.ready.then(({ active }) => active?.postMessage({ kind: 'language', language: language() }));
  }

  /** The visitor has chosen. */
  choose(language: Settings['language']): Promise<void> {
    this.settings.language = language;
    saveSettings(this.settings);
    this.address.forgetLanguage();
    return this.speak(null);
  }
}
