// Lets llama.cpp continue prompts greedily. usage: node llama.mjs MODULE FILE.gguf
// Standard input: {"texts": [text], "prompts": [[id]], "stop": [id], "maxTokens": n}. Output: {"tokens": [[id]], "replies": [[id]]}, the
// texts' tokens and the prompts' continuations, stop ids not included.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [module, file] = process.argv.slice(2);
const { getLlama } = await import(pathToFileURL(module).href);
const { texts, prompts, stop, maxTokens } = JSON.parse(readFileSync(0, 'utf8'));

// One thread: those of llama.cpp wait for each other in loops, which takes a hundred times as long where cores are shared.
const llama = await getLlama({ build: 'never', gpu: false, maxThreads: 1, logLevel: 'error', progressLogs: false });
const model = await llama.loadModel({ modelPath: file });
const context = await model.createContext({
  contextSize: 512, threads: 1, experimentalKvCacheKeyType: 'F32', experimentalKvCacheValueType: 'F32', flashAttention: false,
});
const sequence = context.getSequence();
const replies = [];
for (const prompt of prompts) {
  await sequence.clearHistory();
  const reply = [];
  for await (const id of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    if (stop.includes(id) || reply.push(id) === maxTokens) break;
  }
  replies.push(reply);
}
process.stdout.write(JSON.stringify({ tokens: texts.map((t) => [...model.tokenize(t)]), replies }));
process.exit(0);
