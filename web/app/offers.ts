// What the chat says of the published models before one is chosen. Nothing is fetched for it.

/** What is told of a model. */
export interface About {
  about: string;
  /** Bytes of the GPU's memory in all, with the default context, on a GPU with the least limits. */
  memory: number;
}

export const offers: Record<string, About> = {
  'gpt-oss-20b': { about: 'OpenAI’s open model, for a good graphics card or a current laptop.', memory: 14_888_948_388 },
  'gpt-oss-120b': { about: 'OpenAI’s larger open model, for workstations, and computers whose GPU shares much memory.', memory: 66_887_879_076 },
};
