// gate_up_decode: chooses each row's experts and computes their inner activations, h = SwiGLU(t W^T + bias).
//
//   sel      {expert: u32, weight: f32} [rows][TOPK]: the largest logits, largest first, and their softmax
//   h        f32 [rows][TOPK][INNER], in the order of lib/blocks.wgsl like t; places whose expert lies in another shard are left alone
//   blocks   MXFP4 [params.count][2*INNER][WIDTH/32][16]: row 2i is gate i, row 2i+1 is up i
//   scales   E8M0 bytes [params.count][2*INNER][WIDTH/32]    bias  bf16 [params.count][2*INNER]
//   grid     (INNER/PAIRS, TOPK, rows): a workgroup makes PAIRS elements of h for one place of one row
//   source   openai/gpt-oss torch/model.py MLPBlock.forward: gate, topk, mlp1
//   host     runtime/kernel/gate_up_decode.go
//
// The choice is made again by every workgroup: it costs less than a dispatch of its own. Lane l takes blocks l, l+WG, ... of 32 inputs
// for all 2*PAIRS weight rows, so that the inputs are loaded once.
//
//const WIDTH    hidden size, multiple of 32
//const INNER    width inside an expert, multiple of 32
//const EXPERTS  experts of the layer
//const TOPK     experts that a row uses
//const PAIRS    elements of h of a workgroup, divides 32
//const OUTPUTS  2 * PAIRS
//const WG       workgroup size
//use mxfp4 blocks bf16 sums choice step swiglu

struct Params {
  first: u32, // first expert of the shard
  count: u32, // experts of the shard
  limit: f32, // clamp of gate (above) and up (both sides)
  alpha: f32, // slope of the sigmoid
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: array<u32>;
@group(0) @binding(2) var<storage, read> logits: array<f32>;         // [rows][EXPERTS]
@group(0) @binding(3) var<storage, read> t: array<vec4f>;            // [rows][WIDTH/4]
@group(0) @binding(4) var<storage, read> blocks: array<vec4u>;       // [count][2*INNER][WIDTH/32]
@group(0) @binding(5) var<storage, read> scales: array<u32>;         // bytes [count][2*INNER][WIDTH/32]
@group(0) @binding(6) var<storage, read> bias: array<u32>;           // [count][INNER], gate low, up high
@group(0) @binding(7) var<storage, read_write> h: array<f32>;        // [rows][TOPK][INNER]
@group(0) @binding(8) var<storage, read_write> sel: array<Choice>;   // [rows][TOPK]

const BLOCKS: u32 = WIDTH / 32u;
const SUMS: u32 = OUTPUTS;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup.z;
  let place = workgroup.y;
  if ((rowFlags(row) & ROW_UNUSED) != 0u) { return; }
  topkChoose(lane, row);
  if (workgroup.x == 0u && place == 0u && lane == 0u) { choiceStore(row); }
  var expert = topkExpert[0];
//unroll k TOPK
  if (place == $ku) { expert = topkExpert[$k]; }
//end
  let here = expert >= params.first && expert - params.first < params.count;

  let first = workgroup.x * PAIRS;
  let weightRow = ((expert - params.first) * (2u * INNER)) + (2u * first);
//unroll o OUTPUTS
  let row_$o = (weightRow + $ou) * BLOCKS;
  var sum_$o = 0.0;
//end
  for (var b = select(BLOCKS, lane, here); b < BLOCKS; b += WG) {
//unroll o OUTPUTS
    let w_$o = blocks[row_$o + b];
    let scale_$o = scales[(row_$o + b) / 4u];
//end
    let at = (row * (WIDTH / 4u)) + b;
//unroll i 4
    let low_$i = t[at + ((2u * $iu) * BLOCKS)];
    let high_$i = t[at + (((2u * $iu) + 1u) * BLOCKS)];
//end
//unroll o OUTPUTS
    sum_$o += mxfp4Scale(mxfp4ScaleByte(scale_$o, row_$o + b))
      * ((mxfp4Dot(w_$o.x, low_0, high_0) + mxfp4Dot(w_$o.y, low_1, high_1))
      + (mxfp4Dot(w_$o.z, low_2, high_2) + mxfp4Dot(w_$o.w, low_3, high_3)));
//end
  }
//unroll o OUTPUTS
  sumsPut($ou, lane, sum_$o);
//end
  sumsJoin(lane);
  let i = first + lane;
  if (here && lane < PAIRS) {
    let b = bf16Pair(bias[((expert - params.first) * INNER) + i]);
    h[(((row * TOPK) + place) * INNER) + blocksPlace(i, INNER / 32u)] = swiglu(sumsGet(2u * lane) + b.x, sumsGet((2u * lane) + 1u) + b.y, params.limit, params.alpha);
  }
}
