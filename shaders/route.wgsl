// route: chooses each row's experts and weighs them.
//
//   logits   f32 [rows][EXPERTS]
//   sel      {expert: u32, weight: f32} [rows][TOPK]: the TOPK largest logits, largest first; their softmax
//   grid     (rows, 1, 1)    workgroup (WG, 1, 1); rows from chunk.n on are left alone
//   source   openai/gpt-oss torch/model.py MLPBlock: topk, then softmax over the chosen
//   host     runtime/kernel/route.go
//
// An expert's rank is the number of experts before it: those with a larger logit, and on ties those with a lower id. Ranks are
// taken from integer keys that order like the floats, so that they are a permutation whatever the logits are.
//
//const EXPERTS  experts
//const TOPK     chosen experts, at most 64 and EXPERTS
//const WG       workgroup size, at least TOPK

struct Chunk { n: u32, } // rows
struct Choice { expert: u32, weight: f32, }

@group(0) @binding(0) var<uniform> chunk: Chunk;
@group(0) @binding(1) var<storage, read> logits: array<f32>;        // [rows][EXPERTS]
@group(0) @binding(2) var<storage, read_write> sel: array<Choice>;  // [rows][TOPK]

var<workgroup> chosen: array<u32, TOPK>;

// orderKey is larger for a larger float; both zeros are equal.
fn orderKey(f: f32) -> u32 {
  let b = bitcast<u32>(f);
  if (b == 0x80000000u) { return b; }
  return select(b | 0x80000000u, ~b, (b >> 31u) == 1u);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  if (workgroup.x >= chunk.n) { return; }
  let row = workgroup.x * EXPERTS;
  for (var e = lane; e < EXPERTS; e += WG) {
    let key = orderKey(logits[row + e]);
    var rank = 0u;
    for (var j = 0u; j < EXPERTS; j++) {
      let other = orderKey(logits[row + j]);
      rank += select(0u, 1u, (other > key) || ((other == key) && (j < e)));
    }
    if (rank < TOPK) { chosen[rank] = e; }
  }
  workgroupBarrier();
  if (lane < TOPK) {
    let largest = logits[row + chosen[0]];
    var sum = 0.0;
    for (var k = 0u; k < TOPK; k++) { sum += exp(logits[row + chosen[k]] - largest); }
    let e = chosen[lane];
    sel[(workgroup.x * TOPK) + lane] = Choice(e, exp(logits[row + e] - largest) / sum);
  }
}
