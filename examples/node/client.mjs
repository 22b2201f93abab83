import OpenAI from 'openai';

const client = new OpenAI({ baseURL: process.env.OPENAI_BASE_URL ?? 'http://127.0.0.1:8080/v1', apiKey: process.env.OPENAI_API_KEY ?? 'any' });
const [{ id: model }] = (await client.models.list()).data;

// A stream: the reasoning is dimmed, the answer is not.
const stream = await client.chat.completions.create({
  model, messages: [{ role: 'user', content: 'What is 17 + 25?' }], temperature: 0, reasoning_effort: 'low', stream: true,
});
for await (const chunk of stream) {
  const { reasoning, content } = chunk.choices[0].delta;
  if (reasoning) process.stderr.write(`\x1b[2m${reasoning}\x1b[22m`);
  if (content) process.stdout.write(content);
}
console.log();

// A function: the library calls it where the model asks for it, and the answer has its result.
const weather = {
  name: 'get_weather',
  description: 'The weather in a city.',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  parse: JSON.parse,
  function: ({ city }) => `${city}: 20 degrees, sunny`,
};
const runner = client.chat.completions.runTools({
  model, messages: [{ role: 'user', content: 'What is the weather in Paris?' }], temperature: 0, tools: [{ type: 'function', function: weather }],
});
console.log(await runner.finalContent());
