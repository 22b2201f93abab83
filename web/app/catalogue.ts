// The models that the chat offers, and the names of models.

import { modelName } from '../src/index.ts';

/** The built-in model. */
export const nano = { url: new URL('nano/', document.baseURI).href, name: 'gossamer-nano' };

export const published = [
  { url: nano.url, name: nano.name, about: 'Built in: a miniature that shows how things work and knows next to nothing.' },
  { url: 'https://huggingface.co/openai/gpt-oss-20b', name: 'gpt-oss-20b', about: 'OpenAI’s open model, from its published files on Hugging Face.' },
];

/** The name under which a model is shown. */
export function nameOf(url: string): string {
  const known = published.find((p) => url === p.url || url === `${p.url}manifest.json`);
  if (known) {
    return known.name;
  }
  try {
    return modelName(new URL(url, document.baseURI).href);
  } catch {
    return url;
  }
}
