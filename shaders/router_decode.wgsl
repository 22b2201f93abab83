// router_decode: t = RMSNorm(x), and the router's logits, t W^T + bias.
//
//   logits   f32 [rows][EXPERTS]    t  f32 [rows][WIDTH], in the order of lib/blocks.wgsl or, for products by matrices, of x
//   weights  bf16 [params.count][WIDTH], the experts from params.first on
//   grid     (count, rows/ROWS, 1): a workgroup makes one logit and its part of t, for ROWS rows of the batch
//   source   openai/gpt-oss torch/model.py MLPBlock.forward: norm, gate
//   host     runtime/kernel/router_decode.go
//
// As in qkv_decode, the norm's factor multiplies the finished sums. Every workgroup has it, so they share the writing of t; where
// there are several shards, each writes all of t, the same.
//
//const ROWS     rows of a workgroup
//const WIDTH    hidden size, multiple of 32
//const EXPERTS  experts of the layer
//const NORM     element of vectors where the norm's weight begins, multiple of 8
//const BIAS     element where the router's bias begins, multiple of 8
//const PLAIN    1: t is in the order of x
//const WG       workgroup size
//use bf16 sums blocks

struct Params {
  first: u32, // expert of the shard's first weight row
  count: u32, // weight rows of the shard
  eps: f32,   // of RMSNorm
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;              // [rows][WIDTH/4]
@group(0) @binding(2) var<storage, read> vectors: array<vec4u>;
@group(0) @binding(3) var<storage, read> weights: array<vec4u>;        // [count][WIDTH/8]
@group(0) @binding(4) var<storage, read_write> logits: array<f32>;     // [rows][EXPERTS]
@group(0) @binding(5) var<storage, read_write> t: array<vec4f>;        // [rows][WIDTH/4]

const CHUNKS: u32 = WIDTH / 8u;
const SUMS: u32 = 2u; // the logit, the sum of squares

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let firstRow = workgroup.y * ROWS;
  let share = ((CHUNKS + params.count) - 1u) / params.count; // chunks of t that a workgroup writes
//unroll r ROWS
  var square_$r = 0.0;
  var sum_$r = 0.0;
//end
  for (var c = lane; c < CHUNKS; c += WG) {
    let w = weights[(workgroup.x * CHUNKS) + c];
    let norm = vectors[(NORM / 8u) + c];
    let even_w = bf16Even(w) * bf16Even(norm);
    let odd_w = bf16Odd(w) * bf16Odd(norm);
//unroll r ROWS
    let a_$r = x[((firstRow + $ru) * (WIDTH / 4u)) + (2u * c)];
    let b_$r = x[(((firstRow + $ru) * (WIDTH / 4u)) + (2u * c)) + 1u];
    square_$r += dot(a_$r, a_$r) + dot(b_$r, b_$r);
    sum_$r += dot(even_w, evens(a_$r, b_$r)) + dot(odd_w, odds(a_$r, b_$r));
//end
  }
//unroll r ROWS
  sumsPut(0u, lane, sum_$r);
  sumsPut(1u, lane, square_$r);
  sumsJoin(lane);
  let rms_$r = inverseSqrt((sumsGet(1u) / f32(WIDTH)) + params.eps);
  if (lane == 0u) {
    let expert = params.first + workgroup.x;
    logits[((firstRow + $ru) * EXPERTS) + expert] = (sumsGet(0u) * rms_$r) + bf16Of(vectors[(BIAS + expert) / 8u], expert);
  }
//end
  for (var i = lane; i < share; i += WG) {
    let c = (workgroup.x * share) + i;
    if (c < CHUNKS) {
      let norm = vectors[(NORM / 8u) + c];
//unroll r ROWS
      {
        let at = ((firstRow + $ru) * (WIDTH / 4u)) + (2u * c);
        let to = select(((firstRow + $ru) * (WIDTH / 4u)) + (blocksPlace(8u * c, WIDTH / 32u) / 4u), at, PLAIN == 1u);
        t[to] = (x[at] * rms_$r) * vec4f(bf16Pair(norm.x), bf16Pair(norm.y));
        t[to + select(WIDTH / 32u, 1u, PLAIN == 1u)] = (x[at + 1u] * rms_$r) * vec4f(bf16Pair(norm.z), bf16Pair(norm.w));
      }
//end
    }
  }
}
