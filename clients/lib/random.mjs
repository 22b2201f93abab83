// Replies as models write them on their worst days, from seeds.

/** A generator of numbers below 1, the same ones for a seed (Mulberry32). */
function numbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const words = [
  'Hm', ' the', ' "quoted"', '\n\n', ' 42', ' 🙂', 'é', '漢字', ' {', '}', ' \\', '<', '&', '\u2028', ' data: x\n\n', '\r\n', ' assistant',
  'functions.get_weather',
];
const args = [
  '{"city":"Paris"}', '{"city":"Par', '[{"city":"Paris"}]', '{"city":"Paris"}]', 'Paris', '', '{}', '{"city":"\\ud83d\\ude42 \\"x\\""}', 'null',
];
const headers = [
  '<|channel|>analysis<|message|>', '<|channel|>analysis<|message|>', '<|channel|>final<|message|>', '<|channel|>commentary<|message|>',
  '<|channel|>final <|constrain|>json<|message|>', '<|channel|>commentary?<|message|>', '<|channel|>commentary?commentary?',
  '<|channel|>??<|message|>',
  '<|channel|>commentary commentary<|message|>', '<|channel|>analysis I think that<|message|>', '<|channel|>final', '<|message|>', '',
  'assistantassistant<|channel|>final<|message|>', '<|channel|>final <|constrain|>response<|message|>', '<|channel|>notes<|message|>',
  '<|channel|>commentary to=assistant<|message|>', '<|channel|>commentary to=all<|message|>', '<|channel|>commentary to=user<|message|>',
];
const calls = [
  '<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>', ' to=functions.get_weather<|channel|>commentary json<|message|>',
  '<|channel|>commentary to=functions.get_weather<|constrain|>json<|message|>', '<|channel|>commentary to=functions.get_weatherjson<|message|>',
  '<|channel|>analysis to=functions.get_weather code<|message|>', '<|channel|>commentary to=functions.other <|constrain|>json<|message|>',
  '<|channel|>commentary to=get_weather<|message|>', '<|channel|>commentary to=browser.search code<|message|>',
];
const ends = ['<|end|>', '<|end|>', '<|end|>', '<|return|>', '<|call|>', '<|start|>assistant', '', '<|end|><|end|>'];

/** A reply of some messages, of which any may be malformed. */
function reply(random) {
  const pick = (list) => list[Math.floor(random() * list.length)];
  const text = () => Array.from({ length: Math.floor(random() * 12) }, () => pick(words)).join('');
  let all = '';
  for (let n = Math.floor(random() * 5); n >= 0; n--) {
    if (all) all += pick(['<|start|>assistant', '<|start|>assistant', '<|start|>', '', 'commentary']);
    if (random() < 0.3) all += pick(calls) + pick(args) + pick(['<|call|>', '<|call|>', '<|end|>', '']);
    else all += pick(headers) + text() + pick(ends);
  }
  return all;
}

/**
 * Plays for the questions "reply 0", "reply 1" and so on. What the server keeps a model from writing becomes something else, as docs/playback.md
 * says, in one half as it does in the other.
 */
export function randomPlays(n, seed) {
  const random = numbers(seed);
  return Array.from({ length: n }, (_, i) => ({
    name: `reply ${i}`, when: { user: `^reply ${i}$` }, mask: i % 2 ? 'free' : 'close', reply: [{ text: reply(random) || ' ' }],
  }));
}
