// rmsnorm: y = x * scale / sqrt(mean(x^2) + eps), one row per workgroup.
//
//   x, y   f32 [rows][WIDTH]        vectors  bf16, the WIDTH scales begin at element SCALE
//   grid   (rows, 1, 1)             workgroup (WG, 1, 1); rows from chunk.n on are left alone
//   source openai/gpt-oss torch/model.py RMSNorm.forward; accumulates in f32
//   host   runtime/kernel/rmsnorm.go
//
//const WIDTH  row length, multiple of 8
//const SCALE  first scale in vectors, multiple of 8
//const WG     workgroup size, power of two
//use bf16 reduce

struct Params { eps: f32, }
struct Chunk { n: u32, } // rows

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> chunk: Chunk;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;          // [rows][WIDTH/4]
@group(0) @binding(3) var<storage, read> vectors: array<vec4u>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;    // [rows][WIDTH/4]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  if (workgroup.x >= chunk.n) { return; }
  let row = workgroup.x * (WIDTH / 4u);
  var sum = 0.0;
  for (var i = lane; i < WIDTH / 4u; i += WG) {
    let v = x[row + i];
    sum += dot(v, v);
  }
  let r = 1.0 / sqrt((reduceSum(lane, sum) / f32(WIDTH)) + params.eps);
  for (var i = lane; i < WIDTH / 8u; i += WG) {
    let w = vectors[(SCALE / 8u) + i];
    let at = row + (2u * i);
    y[at] = (x[at] * r) * vec4f(bf16Pair(w.x), bf16Pair(w.y));
    y[at + 1u] = (x[at + 1u] * r) * vec4f(bf16Pair(w.z), bf16Pair(w.w));
  }
}
