// down_rows: the output of each assignment of a row to an expert, y = h W^T + bias, the experts' weights read once for all rows of a batch.
//
//   lists    of route_rows, with one tile for all assignments to an expert
//   inputs   h, f32 [rows*TOPK][K], by assignment, in the order of lib/blocks.wgsl
//   blocks   MXFP4 [params.count][WIDTH][K/32][16]
//   scales   E8M0 bytes [params.count][WIDTH][K/32]    bias  bf16 [params.count][WIDTH]
//   y        f32 [rows*TOPK][WIDTH], by assignment; what belongs to other shards' experts is left alone
//   grid     (WIDTH/OUTPUTS rounded up, tiles at most, 1): a workgroup makes OUTPUTS outputs of all assignments to one expert; tiles that
//            don't exist or belong to another shard end at once
//   source   openai/gpt-oss torch/model.py MLPBlock.forward: mlp2
//   host     runtime/kernel/down_rows.go
//
// Followed by combine_rows. See lib/expert_rows.wgsl for the order of the sums. It is not that of down_decode, where a lane adds up
// blocks of several experts, which are in different workgroups here.
//
//const WIDTH    hidden size
//use expert_rows bf16

struct Params {
  first: u32, // first expert of the shard
  count: u32, // experts of the shard
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> lists: array<u32>;
@group(0) @binding(2) var<storage, read> inputs: array<vec4f>;       // [rows*TOPK][K/4]
@group(0) @binding(3) var<storage, read> blocks: array<vec4u>;       // [count][WIDTH][K/32]
@group(0) @binding(4) var<storage, read> scales: array<u32>;         // bytes [count][WIDTH][K/32]
@group(0) @binding(5) var<storage, read> bias: array<u32>;           // bf16 [count][WIDTH]
@group(0) @binding(6) var<storage, read_write> y: array<f32>;        // [rows*TOPK][WIDTH]

var<private> laneBias: f32 = 0.0; // of the output that a lane finishes

fn finish(lane: u32, firstRow: u32, assignment: u32) {
  let o = (firstRow % WIDTH) + lane;
  if (lane < OUTPUTS && o < WIDTH) { y[(assignment * WIDTH) + o] = sumsGet(lane) + laneBias; }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  if (workgroup.y >= lists[0]) { return; }
  let tile = LISTS_TILES + (workgroup.y * TILE_WORDS);
  let expert = lists[tile] - params.first; // of an expert before the shard: too large as well
  let first = LISTS_SORTED + lists[tile + 1u];
  let count = lists[tile + 2u];
  if (expert >= params.count) { return; }
  let row = (expert * WIDTH) + (workgroup.x * OUTPUTS);
  let lastRow = (expert * WIDTH) + (WIDTH - 1u);
  let element = min(row + lane, lastRow);
  let pair = bf16Pair(bias[element / 2u]);
  laneBias = select(pair.x, pair.y, (element & 1u) == 1u);
  expertRows(lane, row, lastRow, first, count);
}
