// Prints what Hugging Face's reader finds in a GGUF file. usage: node gguf.mjs MODULE FILE
import { pathToFileURL } from "node:url";

const [module, file] = process.argv.slice(2);
const { gguf } = await import(pathToFileURL(module).href);
const { metadata, tensorInfos, tensorDataOffset } = await gguf(file, { allowLocalFile: true });
const values = {};
for (const [key, value] of Object.entries(metadata)) {
  values[key] = typeof value === "bigint" ? Number(value) : value;
}
console.log(JSON.stringify({
  metadata: values,
  tensors: tensorInfos.map((t) => ({
    name: t.name,
    dims: t.shape.map(Number),
    type: t.dtype,
    offset: Number(tensorDataOffset + t.offset),
  })),
}));
