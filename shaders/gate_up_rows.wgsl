// gate_up_rows: the inner activations of each assignment of a row to an expert, h = SwiGLU(t W^T + bias), the experts' weights read once for
// all rows of a batch.
//
//   lists    of route_rows, with one tile for all assignments to an expert
//   inputs   t, f32 [rows][K], in the order of lib/blocks.wgsl
//   blocks   MXFP4 [params.count][2*INNER][K/32][16]: row 2i is gate i, row 2i+1 is up i
//   scales   E8M0 bytes [params.count][2*INNER][K/32]    bias  bf16 [params.count][2*INNER]
//   h        f32 [rows*SHARE][INNER], by assignment, in the same order; what belongs to other shards' experts is left alone
//   grid     (INNER/(OUTPUTS/2), tiles at most, 1): a workgroup makes OUTPUTS/2 elements of h of all assignments to one expert; tiles that
//            don't exist or belong to another shard end at once
//   source   openai/gpt-oss torch/model.py MLPBlock.forward: mlp1
//   host     runtime/kernel/gate_up_rows.go
//
// The sums are those of gate_up_decode, bit by bit; see lib/expert_rows.wgsl.
//
//const INNER    width inside an expert, multiple of 32
//use expert_rows blocks bf16 swiglu

struct Params {
  first: u32, // first expert of the shard
  count: u32, // experts of the shard
  limit: f32, // clamp of gate (above) and up (both sides)
  alpha: f32, // slope of the sigmoid
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> lists: array<u32>;
@group(0) @binding(2) var<storage, read> inputs: array<vec4f>;       // [rows][K/4]
@group(0) @binding(3) var<storage, read> blocks: array<vec4u>;       // [count][2*INNER][K/32]
@group(0) @binding(4) var<storage, read> scales: array<u32>;         // bytes [count][2*INNER][K/32]
@group(0) @binding(5) var<storage, read> bias: array<u32>;           // [count][INNER], gate low, up high
@group(0) @binding(6) var<storage, read_write> h: array<f32>;        // [rows*SHARE][INNER]

const PAIRS: u32 = OUTPUTS / 2u;

var<private> laneBias: vec2f = vec2f(0.0); // of the element that a lane finishes

fn finish(lane: u32, firstRow: u32, assignment: u32) {
  if (lane >= PAIRS) { return; }
  let i = ((firstRow / 2u) + lane) % INNER;
  h[(assignment * INNER) + blocksPlace(i, INNER / 32u)] =
    swiglu(sumsGet(2u * lane) + laneBias.x, sumsGet((2u * lane) + 1u) + laneBias.y, params.limit, params.alpha);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  if (workgroup.y >= lists[0]) { return; }
  let tile = LISTS_TILES + (workgroup.y * TILE_WORDS);
  let expert = lists[tile] - params.first; // of an expert before the shard: too large as well
  let first = LISTS_SORTED + lists[tile + 1u];
  let count = lists[tile + 2u];
  if (expert >= params.count) { return; }
  let row = (expert * (2u * INNER)) + (workgroup.x * OUTPUTS);
  laneBias = bf16Pair(bias[(row / 2u) + min(lane, PAIRS - 1u)]);
  expertRows(lane, row, row + (OUTPUTS - 1u), first, count);
}
