// Parts of the app for tests to call in the page itself.

import { copyBandwidth } from '../app/bandwidth.ts';
import { MarkdownView, PlainText } from '../app/markdown.ts';
import { runInSandbox } from '../app/sandbox-client.ts';

export { copyBandwidth, MarkdownView, PlainText, runInSandbox };
