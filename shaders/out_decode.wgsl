// out_decode: x += a W^T + bias, the projection of the attention heads back to the residual stream.
//
//   x        f32 [rows][WIDTH]      a  f32 [rows][INPUTS]      weights  bf16 [params.count][INPUTS], the rows from params.first on
//   grid     a workgroup makes OUTPUTS outputs for ROWS rows of the batch: count/OUTPUTS, rounded up, * ROW_TILES, folded over y
//   source   openai/gpt-oss torch/model.py AttentionBlock.forward: out, residual
//   host     runtime/kernel/out_decode.go
//
// Lane l takes chunks l, l+WG, ... of 8 inputs for all OUTPUTS weight rows. Workgroups that load the same weights are neighbours.
//
//const ROWS       rows of a workgroup
//const ROW_TILES  workgroups for all rows of the batch
//const WIDTH      hidden size
//const INPUTS     width of all heads, multiple of 8
//const OUTPUTS    outputs of a workgroup
//const BIAS       element of vectors where the bias begins, multiple of 8
//const WG         workgroup size
//use bf16 sums

struct Params {
  first: u32, // output of the shard's first weight row
  count: u32, // weight rows of the shard
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;            // [rows][INPUTS/4]
@group(0) @binding(2) var<storage, read> weights: array<vec4u>;      // [count][INPUTS/8]
@group(0) @binding(3) var<storage, read> vectors: array<vec4u>;
@group(0) @binding(4) var<storage, read_write> x: array<f32>;        // [rows][WIDTH]

const CHUNKS: u32 = INPUTS / 8u;
const SUMS: u32 = OUTPUTS;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = workgroup.x + (workgroup.y * grid.x);
  let output = (group / ROW_TILES) * OUTPUTS;
  let firstRow = (group % ROW_TILES) * ROWS;
  if (output >= params.count) { return; }
//unroll o OUTPUTS
  let weightRow_$o = min(output + $ou, params.count - 1u) * CHUNKS; // beyond the last row: computed, not written
//unroll r ROWS
  var sum_$r_$o = 0.0;
//end
//end
  for (var c = lane; c < CHUNKS; c += WG) {
//unroll o OUTPUTS
    let w_$o = weights[weightRow_$o + c];
//end
//unroll r ROWS
    let low_$r = a[((firstRow + $ru) * (INPUTS / 4u)) + (2u * c)];
    let high_$r = a[(((firstRow + $ru) * (INPUTS / 4u)) + (2u * c)) + 1u];
    let even_$r = evens(low_$r, high_$r);
    let odd_$r = odds(low_$r, high_$r);
//end
//unroll o OUTPUTS
    let even_w_$o = bf16Even(w_$o);
    let odd_w_$o = bf16Odd(w_$o);
//unroll r ROWS
    sum_$r_$o += dot(even_w_$o, even_$r) + dot(odd_w_$o, odd_$r);
//end
//end
  }
//unroll r ROWS
//unroll o OUTPUTS
  sumsPut($ou, lane, sum_$r_$o);
//end
  sumsJoin(lane);
  if (lane < OUTPUTS && output + lane < params.count) {
    let i = (params.first + output) + lane;
    x[((firstRow + $ru) * WIDTH) + i] += sumsGet(lane) + bf16Of(vectors[(BIAS + i) / 8u], i);
  }
//end
}
