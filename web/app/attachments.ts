// Text files that go with a question.

import type { TextFile } from './conversation.ts';
import { t } from './language.ts';

/** Bytes of a file that are read, and characters of a text that are taken: the largest context has room for about half of them. */
const longestFile = 50e6, longestText = 2e6;

/** Reads a file as text. Rejects with an Error with a sentence. */
export async function readTextFile(file: File): Promise<TextFile> {
  if (file.size > longestFile) {
    throw new Error(String(t('fileTooLarge')));
  }
  const data = await file.arrayBuffer().catch(() => {
    throw new Error(String(t('fileUnreadable')));
  });
  const text = isPDF(data) ? await (await import('./pdf.ts')).textOfPDF(data) : decode(data);
  if (text.trim() === '') {
    throw new Error(String(t('fileEmpty')));
  }
  if (text.length > longestText) {
    throw new Error(String(t('fileTooLong', { length: text.length, most: longestText })));
  }
  return { name: file.name, text };
}

function isPDF(data: ArrayBuffer): boolean {
  return new TextDecoder('latin1').decode(data.slice(0, 1024)).includes('%PDF-');
}

/** The text of a file in UTF-8, or in UTF-16 with a mark of its order. */
function decode(data: ArrayBuffer): string {
  const [first, second] = new Uint8Array(data.slice(0, 2));
  const encoding = first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';
  let text: string;
  try {
    text = new TextDecoder(encoding, { fatal: true }).decode(data);
  } catch {
    text = '\0';
  }
  if (/[\x00-\x08\x0e-\x1a]/.test(text.slice(0, 100_000))) {
    throw new Error(String(t('fileNoText')));
  }
  return text.replace(/\r\n?/g, '\n');
}
