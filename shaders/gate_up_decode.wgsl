// gate_up_decode: chooses each row's experts and computes their inner activations, h = SwiGLU(t W^T + bias).
//
//   sel      {expert: u32, weight: f32} [rows][TOPK]: the largest logits, largest first, and their softmax
//   h        f32 [rows][TOPK][INNER]; places whose expert lies in another shard are left alone
//   blocks   MXFP4 [params.count][2*INNER][WIDTH/32][16]: row 2i is gate i, row 2i+1 is up i
//   scales   E8M0 bytes [params.count][2*INNER][WIDTH/32]    bias  bf16 [params.count][2*INNER]
//   grid     (INNER/PAIRS rounded up, TOPK, rows): a workgroup makes PAIRS elements of h for one place of one row
//   source   openai/gpt-oss torch/model.py MLPBlock.forward: gate, topk, mlp1
//   host     runtime/kernel/gate_up_decode.go
//
// The choice is made again by every workgroup: it costs less than a dispatch of its own. Lane l takes blocks l, l+WG, ... of 32 inputs
// for all 2*PAIRS weight rows, so that the inputs are loaded and arranged once.
//
//const WIDTH    hidden size, multiple of 32
//const INNER    width inside an expert
//const EXPERTS  experts of the layer
//const TOPK     experts that a row uses
//const PAIRS    elements of h of a workgroup
//const OUTPUTS  2 * PAIRS
//const WG       workgroup size
//use mxfp4 bf16 sums topk step swiglu

struct Params {
  first: u32, // first expert of the shard
  count: u32, // experts of the shard
  limit: f32, // clamp of gate (above) and up (both sides)
  alpha: f32, // slope of the sigmoid
}

struct Choice { expert: u32, weight: f32, }

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
  if (workgroup.x == 0u && place == 0u) {
    for (var k = lane; k < TOPK; k += WG) {
      var total = 0.0;
      for (var j = 0u; j < TOPK; j++) { total += exp(topkLogit[j] - topkLogit[0]); }
      sel[(row * TOPK) + k] = Choice(topkExpert[k], exp(topkLogit[k] - topkLogit[0]) / total);
    }
  }
  let expert = workgroupUniformLoad(&topkExpert[place]);
  if (expert < params.first || expert - params.first >= params.count) { return; }

  let first = workgroup.x * PAIRS;
  let weightRow = (expert - params.first) * (2u * INNER);
//unroll o OUTPUTS
  let row_$o = (weightRow + min((2u * first) + $ou, (2u * INNER) - 1u)) * BLOCKS; // beyond the last row: computed, not written
  var sum_$o = 0.0;
//end
  for (var b = lane; b < BLOCKS; b += WG) {
//unroll o OUTPUTS
    let w_$o = blocks[row_$o + b];
    let scale_$o = scales[(row_$o + b) / 4u];
//end
    let at = (row * (WIDTH / 4u)) + (8u * b);
//unroll i 4
    let low_$i = t[at + (2u * $iu)];
    let high_$i = t[(at + (2u * $iu)) + 1u];
    let even_$i = evens(low_$i, high_$i);
    let odd_$i = odds(low_$i, high_$i);
//end
//unroll o OUTPUTS
    sum_$o += mxfp4Scale(mxfp4ScaleByte(scale_$o, row_$o + b))
      * ((mxfp4Dot(w_$o.x, even_0, odd_0) + mxfp4Dot(w_$o.y, even_1, odd_1))
      + (mxfp4Dot(w_$o.z, even_2, odd_2) + mxfp4Dot(w_$o.w, even_3, odd_3)));
//end
  }
//unroll o OUTPUTS
  sumsPut($ou, lane, sum_$o);
//end
  sumsJoin(lane);
  let i = first + lane;
  if (lane < PAIRS && i < INNER) {
    let b = bf16Pair(bias[((expert - params.first) * INNER) + i]);
    h[(((row * TOPK) + place) * INNER) + i] = swiglu(sumsGet(2u * lane) + b.x, sumsGet((2u * lane) + 1u) + b.y, params.limit, params.alpha);
  }
}
