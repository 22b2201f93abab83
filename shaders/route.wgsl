// route: chooses each row's experts and weighs them.
//
//   logits   f32 [rows][EXPERTS]
//   sel      {expert: u32, weight: f32} [rows][TOPK]: the largest logits, largest first, and their softmax
//   grid     (rows, 1, 1)    workgroup (WG, 1, 1); rows from chunk.n on are left alone
//   source   openai/gpt-oss torch/model.py MLPBlock.forward
//   host     runtime/kernel/route.go
//
//const EXPERTS  experts of the layer
//const TOPK     experts that a row uses
//const WG       workgroup size
//use choice

struct Chunk { n: u32, } // rows

@group(0) @binding(0) var<uniform> chunk: Chunk;
@group(0) @binding(1) var<storage, read> logits: array<f32>;        // [rows][EXPERTS]
@group(0) @binding(2) var<storage, read_write> sel: array<Choice>;  // [rows][TOPK]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup.x;
  if (row >= chunk.n) { return; }
  topkChoose(lane, row);
  if (lane == 0u) { choiceStore(row); }
}
