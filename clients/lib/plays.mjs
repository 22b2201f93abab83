// Replies for the tests, as segments of docs/playback.md, and the plays of those that most clients ask for.

/** What the model says between its markers. */
export const think = (text) => `<|channel|>analysis<|message|>${text}<|end|>`;
export const next = '<|start|>assistant';
export const preamble = (text) => `<|channel|>commentary<|message|>${text}<|end|>`;
export const answer = (text) => `<|channel|>final<|message|>${text}<|return|>`;
export const call = (name, args) => `<|channel|>commentary to=functions.${name} <|constrain|>json<|message|>${JSON.stringify(args)}<|call|>`;

/** A play whose reply is a text, parts of which playback fills in. */
export const play = (name, when, ...text) => ({ name, when, reply: [{ text: text.join('') }] });

/** A person as a schema has it, in the play "person". */
export const person = { name: 'Anna', age: 31 };

/** Each suite's questions and what is answered. */
export const plays = [
  play('forecast', { last: 'tool', result: 'degrees' }, think('The tool says {result}.'), next, answer('It is {result} in Paris.')),
  play('weather', { tools: ['get_weather'], last: 'user', user: 'weather' },
    think('I need the weather.'), next, call('get_weather', { city: 'Paris' })),
  play('announced', { tools: ['get_weather'], last: 'user', user: 'forecast' },
    think('I need the weather.'), next, preamble('I look it up.'), next, call('get_weather', { city: 'Paris' })),
  play('extract', { tools: ['person'], user: 'Berta' }, think('A person.'), next, call('person', { name: 'Berta', age: 7 })),
  play('person', { user: 'Anna' }, think('A person.'), next, answer(JSON.stringify(person))),
  {
    name: 'endless', when: { user: 'endless' },
    reply: [
      { text: `${think('This is long.')}${next}<|channel|>final<|message|>One` },
      { repeat: { times: 10000, of: [{ text: ' two' }, { wait_ms: 5 }] } },
    ],
  },
  { name: 'breaks', when: { user: 'break' }, reply: [{ text: '<|channel|>final<|message|>One two' }, { fail: 'error' }] },
  { name: 'full', when: { user: 'full' }, reply: [{ fail: 'context_full' }] },
  play('name', { user: 'What is my name' }, think('They told me.'), next, answer('Your name is Ada.')),
  play('pirate', { developer: 'pirate' }, think('A pirate.'), next, answer('Arr, {user}')),
  play('else', {}, think('Hm.'), next, answer('You said: {user}')),
];
