// Parts of the app for tests to call in the page itself.

import { copyBandwidth } from '../demo/bandwidth.ts';
import { MarkdownView, PlainText } from '../demo/markdown.ts';
import { runInSandbox } from '../demo/sandbox-client.ts';

export { copyBandwidth, MarkdownView, PlainText, runInSandbox };
