/** What elements say. Set GossamerChat.texts, or the attribute texts of one of them, to say it otherwise. */
export const texts = {
  label: 'Chat',
  message: 'Message',
  placeholder: 'Ask something',
  send: 'Send',
  stop: 'Stop',
  you: 'You said:',
  assistant: 'Answer:',
  thinking: 'Thinking',
  thought: 'Thoughts',
  ask: 'Download {name}?',
  sizes: 'It is downloaded once, {download}, and kept in this browser. It takes {memory} of memory.',
  download: 'Download',
  cancel: 'Cancel',
  checking: 'Looking whether the model runs here',
  loading: 'Loading {name}',
  loaded: '{done} of {total}',
  interrupted: 'Interrupted; trying again in {seconds} s',
  retry: 'Try again',
  stopped: 'Stopped.',
  length: 'Stopped: reached the length limit.',
};

/** Puts values into a text. */
export function fill(text: string, values: { [name: string]: string }): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}
