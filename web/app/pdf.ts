// The text of PDF files. This module and its worker are large, and are loaded with the first one.

import { t } from './language.ts';
import { getDocument, GlobalWorkerOptions } from 'pdfjs-dist/build/pdf.min.mjs';

/** The worker's file, beside this one; defined by build.mjs. */
declare const PDF_WORKER: string;

interface Item {
  str?: string;
  hasEOL?: boolean;
}

/** The text of a PDF, page by page. Rejects with an Error with a sentence. */
export async function textOfPDF(data: ArrayBuffer, signal?: AbortSignal): Promise<string> {
  GlobalWorkerOptions.workerSrc = new URL(PDF_WORKER, import.meta.url).href;
  // Fonts are not drawn, and nothing is fetched for them.
  const task = getDocument({ data, isEvalSupported: false, useSystemFonts: false, disableFontFace: true, stopAtErrors: false, verbosity: 0 });
  const stop = () => void task.destroy();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const document = await task.promise.catch((error: Error) => {
      throw new Error(String(t(error.name === 'PasswordException' ? 'pdfPassword' : 'pdfDamaged')));
    });
    const pages: string[] = [];
    for (let n = 1; n <= document.numPages; n++) {
      signal?.throwIfAborted();
      const page = await document.getPage(n);
      const { items } = (await page.getTextContent()) as { items: Item[] };
      pages.push(items.map((i) => (i.str ?? '') + (i.hasEOL ? '\n' : '')).join('').trim());
      page.cleanup();
    }
    const text = pages.filter(Boolean).join('\n\n');
    if (!text) {
      throw new Error(String(t('pdfNoText')));
    }
    return text;
  } finally {
    signal?.removeEventListener('abort', stop);
    await task.destroy();
  }
}
