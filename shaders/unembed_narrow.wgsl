// unembed_narrow: the same as unembed_decode, RMSNorm and the product with the unembedding, for a narrow hidden state.
//
//   x        f32 [ROWS][WIDTH]      weights  bf16 [params.count][WIDTH], the rows from params.first of the unembedding
//   logits   f32 [ROWS][VOCAB]
//   grid     (count / WG, 1, 1), rounded up and folded over y       workgroup (WG, 1, 1)
//   source   openai/gpt-oss torch/model.py Transformer.forward: norm, unembedding
//   host     runtime/kernel/unembed_decode.go
//
// A lane makes one logit by itself, in ascending order of the inputs, and for that the norm as well: where the rows are short,
// joining lanes costs more than the product. All lanes read the same x at once; the weights of a lane lie side by side.
//
//const ROWS   rows of the batch
//const WIDTH  hidden size, multiple of 8
//const VOCAB  ids
//const WG     workgroup size
//use bf16

struct Params {
  first: u32, // id of the shard's first weight row
  count: u32, // weight rows of the shard
  eps: f32,   // of RMSNorm
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;              // [ROWS][WIDTH/4]
@group(0) @binding(2) var<storage, read> norms: array<vec4u>;          // [WIDTH/8], the norm's weight, bf16
@group(0) @binding(3) var<storage, read> weights: array<vec4u>;        // [count][WIDTH/8]
@group(0) @binding(4) var<storage, read_write> logits: array<f32>;     // [ROWS][VOCAB]

const CHUNKS: u32 = WIDTH / 8u;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let output = ((workgroup.x + (workgroup.y * grid.x)) * WG) + lane;
  if (output >= params.count) { return; }
//unroll r ROWS
  var square_$r = 0.0;
  var sum_$r = 0.0;
//end
  for (var c = 0u; c < CHUNKS; c += 1u) {
    let w = weights[(output * CHUNKS) + c];
    let norm = norms[c];
    let even_w = bf16Even(w) * bf16Even(norm);
    let odd_w = bf16Odd(w) * bf16Odd(norm);
//unroll r ROWS
    let a_$r = x[($ru * (WIDTH / 4u)) + (2u * c)];
    let b_$r = x[(($ru * (WIDTH / 4u)) + (2u * c)) + 1u];
    square_$r += dot(a_$r, a_$r) + dot(b_$r, b_$r);
    sum_$r += dot(even_w, evens(a_$r, b_$r)) + dot(odd_w, odds(a_$r, b_$r));
//end
  }
//unroll r ROWS
  logits[($ru * VOCAB) + (params.first + output)] = sum_$r * inverseSqrt((square_$r / f32(WIDTH)) + params.eps);
//end
}
