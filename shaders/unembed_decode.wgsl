// unembed_decode: logits = RMSNorm(x) W^T.
//
//   logits   f32 [rows][VOCAB]      x  f32 [rows][WIDTH]      weights  bf16 [params.count][WIDTH], the ids from params.first on
//   grid     a workgroup makes OUTPUTS logits for ROWS rows of the batch: count/OUTPUTS, rounded up, * ROW_TILES, folded over y
//   source   openai/gpt-oss torch/model.py Transformer.forward: norm, unembedding
//   host     runtime/kernel/unembed_decode.go
//
// Lane l takes chunks l, l+WG, ... of 8 inputs for all OUTPUTS weight rows. As in qkv_decode, the norm's factor multiplies the sums.
// Workgroups that load the same weights are neighbours.
//
//const ROWS       rows of a workgroup
//const ROW_TILES  workgroups for all rows of the batch
//const WIDTH      hidden size, multiple of 8
//const VOCAB      ids
//const OUTPUTS    outputs of a workgroup
//const WG         workgroup size
//use bf16 sums

struct Params {
  first: u32, // id of the shard's first weight row
  count: u32, // weight rows of the shard
  eps: f32,   // of RMSNorm
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;              // [rows][WIDTH/4]
@group(0) @binding(2) var<storage, read> norms: array<vec4u>;          // [WIDTH/8], the norm's weight, bf16
@group(0) @binding(3) var<storage, read> weights: array<vec4u>;        // [count][WIDTH/8]
@group(0) @binding(4) var<storage, read_write> logits: array<f32>;     // [rows][VOCAB]

const CHUNKS: u32 = WIDTH / 8u;
const SUMS: u32 = OUTPUTS + 1u; // the outputs, and the sum of squares

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = workgroup.x + (workgroup.y * grid.x);
  let output = (group / ROW_TILES) * OUTPUTS;
  let firstRow = (group % ROW_TILES) * ROWS;
  if (output >= params.count) { return; }
//unroll o OUTPUTS
  let weightRow_$o = min(output + $ou, params.count - 1u) * CHUNKS; // beyond the last row: computed, not written
//end
//unroll r ROWS
  var square_$r = 0.0;
//unroll o OUTPUTS
  var sum_$r_$o = 0.0;
//end
//end
  for (var c = lane; c < CHUNKS; c += WG) {
//unroll o OUTPUTS
    let w_$o = weights[weightRow_$o + c];
//end
    let norm = norms[c];
//unroll r ROWS
    let a_$r = x[((firstRow + $ru) * (WIDTH / 4u)) + (2u * c)];
    let b_$r = x[(((firstRow + $ru) * (WIDTH / 4u)) + (2u * c)) + 1u];
    square_$r += dot(a_$r, a_$r) + dot(b_$r, b_$r);
    let even_$r = evens(a_$r, b_$r) * bf16Even(norm);
    let odd_$r = odds(a_$r, b_$r) * bf16Odd(norm);
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
  sumsPut(OUTPUTS, lane, square_$r);
  sumsJoin(lane);
  if (lane < OUTPUTS && output + lane < params.count) {
    let rms = inverseSqrt((sumsGet(OUTPUTS) / f32(WIDTH)) + params.eps);
    logits[((firstRow + $ru) * VOCAB) + ((params.first + output) + lane)] = sumsGet(lane) * rms;
  }
//end
}
