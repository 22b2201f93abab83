// down_decode: x += the weighted sum over a row's experts of h W^T + bias.
//
//   x        f32 [rows][WIDTH]; experts of other shards add nothing here
//   h        f32 [rows][TOPK][INNER], in the order of lib/blocks.wgsl       sel  {expert: u32, weight: f32} [rows][TOPK]
//   blocks   MXFP4 [params.count][WIDTH][INNER/32][16]
//   scales   E8M0 bytes [params.count][WIDTH][INNER/32]      bias  bf16 [params.count][WIDTH]
//   grid     (WIDTH/OUTPUTS rounded up, 1, rows): a workgroup makes OUTPUTS outputs of one row
//   source   openai/gpt-oss torch/model.py MLPBlock.forward: mlp2, weighted sum of experts, residual
//   host     runtime/kernel/down_decode.go
//
// The row's experts have TOPK * INNER/32 blocks of 32 inputs. Lane l takes the blocks l, l+WG, ... of them for all OUTPUTS weight rows.
//
//const WIDTH    hidden size
//const INNER    width inside an expert, multiple of 32
//const TOPK     experts that a row uses
//const OUTPUTS  outputs of a workgroup
//const WG       workgroup size
//use mxfp4 bf16 sums step

struct Params {
  first: u32, // first expert of the shard
  count: u32, // experts of the shard
}

struct Choice { expert: u32, weight: f32, }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: array<u32>;
@group(0) @binding(2) var<storage, read> sel: array<Choice>;         // [rows][TOPK]
@group(0) @binding(3) var<storage, read> h: array<vec4f>;            // [rows][TOPK][INNER/4]
@group(0) @binding(4) var<storage, read> blocks: array<vec4u>;       // [count][WIDTH][INNER/32]
@group(0) @binding(5) var<storage, read> scales: array<u32>;         // bytes [count][WIDTH][INNER/32]
@group(0) @binding(6) var<storage, read> bias: array<u32>;           // bf16 [count][WIDTH]
@group(0) @binding(7) var<storage, read_write> x: array<f32>;        // [rows][WIDTH]

const BLOCKS: u32 = INNER / 32u;
const SUMS: u32 = OUTPUTS;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup.z;
  if ((rowFlags(row) & ROW_UNUSED) != 0u) { return; }
  let first = workgroup.x * OUTPUTS;
//unroll o OUTPUTS
  let output_$o = min(first + $ou, WIDTH - 1u); // beyond the last output: computed, not written
  var sum_$o = 0.0;
//end
  for (var item = lane; item < TOPK * BLOCKS; item += WG) {
    let place = item / BLOCKS;
    let b = item % BLOCKS;
    let choice = sel[(row * TOPK) + place];
    if (choice.expert >= params.first && choice.expert - params.first < params.count) {
      let weightRow = (choice.expert - params.first) * WIDTH;
//unroll o OUTPUTS
      let at_$o = ((weightRow + output_$o) * BLOCKS) + b;
      let w_$o = blocks[at_$o];
      let scale_$o = scales[at_$o / 4u];
//end
      let at = (((row * TOPK) + place) * (INNER / 4u)) + b;
//unroll i 4
      let low_$i = h[at + ((2u * $iu) * BLOCKS)];
      let high_$i = h[at + (((2u * $iu) + 1u) * BLOCKS)];
//end
//unroll o OUTPUTS
      sum_$o += (choice.weight * mxfp4Scale(mxfp4ScaleByte(scale_$o, at_$o)))
        * ((mxfp4Dot(w_$o.x, low_0, high_0) + mxfp4Dot(w_$o.y, low_1, high_1))
        + (mxfp4Dot(w_$o.z, low_2, high_2) + mxfp4Dot(w_$o.w, low_3, high_3)));
//end
    }
  }
//unroll o OUTPUTS
  sumsPut($ou, lane, sum_$o);
//end
  sumsJoin(lane);
  let i = first + lane;
  if (lane < OUTPUTS && i < WIDTH) {
    var total = sumsGet(lane);
    for (var place = 0u; place < TOPK; place++) {
      let choice = sel[(row * TOPK) + place];
      if (choice.expert >= params.first && choice.expert - params.first < params.count) {
        let element = ((choice.expert - params.first) * WIDTH) + i;
        let pair = bf16Pair(bias[element / 2u]);
        total += choice.weight * select(pair.x, pair.y, (element & 1u) == 1u);
      }
    }
    x[(row * WIDTH) + i] += total;
  }
}
