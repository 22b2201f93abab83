// unembed_narrow: the same as unembed_decode, RMSNorm and the product with the unembedding, for a narrow hidden state.
//
//   x        f32 [rows][WIDTH]      weights  bf16 [params.count][WIDTH], the rows from params.first of the unembedding
//   logits   f32 [rows][VOCAB]
//   grid     count / (WG OUTPUTS), rounded up, * ROW_TILES, folded over y       workgroup (WG, 1, 1)
//   source   openai/gpt-oss torch/model.py Transformer.forward: norm, unembedding
//   host     runtime/kernel/unembed_decode.go
//
// A lane makes OUTPUTS logits by itself, in ascending order of the inputs, and for them the norm as well: where the rows are short,
// joining lanes costs more than the product. All lanes read the same x at once; x and the norm are read once for OUTPUTS weight rows.
//
//const ROWS       rows of a workgroup
//const ROW_TILES  workgroups for all rows of the batch
//const WIDTH      hidden size, multiple of 8
//const VOCAB      ids
//const OUTPUTS    outputs of a lane
//const WG         workgroup size
//use bf16

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

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = workgroup.x + (workgroup.y * grid.x);
  let output = ((group / ROW_TILES) * (WG * OUTPUTS)) + lane;
  let firstRow = (group % ROW_TILES) * ROWS;
  if (output >= params.count) { return; }
//unroll o OUTPUTS
  let output_$o = output + ($ou * WG);
  let weightRow_$o = min(output_$o, params.count - 1u) * CHUNKS; // beyond the last row: computed, not written
//end
//unroll r ROWS
  var square_$r = 0.0;
//unroll o OUTPUTS
  var sum_$r_$o = 0.0;
//end
//end
  for (var c = 0u; c < CHUNKS; c += 1u) {
    let norm = norms[c];
    let even_norm = bf16Even(norm);
    let odd_norm = bf16Odd(norm);
//unroll r ROWS
    let a_$r = x[((firstRow + $ru) * (WIDTH / 4u)) + (2u * c)];
    let b_$r = x[(((firstRow + $ru) * (WIDTH / 4u)) + (2u * c)) + 1u];
    square_$r += dot(a_$r, a_$r) + dot(b_$r, b_$r);
    let even_$r = evens(a_$r, b_$r) * even_norm;
    let odd_$r = odds(a_$r, b_$r) * odd_norm;
//end
//unroll o OUTPUTS
    let w_$o = weights[weightRow_$o + c];
    let even_w_$o = bf16Even(w_$o);
    let odd_w_$o = bf16Odd(w_$o);
//unroll r ROWS
    sum_$r_$o += dot(even_w_$o, even_$r) + dot(odd_w_$o, odd_$r);
//end
//end
  }
//unroll r ROWS
  let rms_$r = inverseSqrt((square_$r / f32(WIDTH)) + params.eps);
//unroll o OUTPUTS
  if (output_$o < params.count) { logits[((firstRow + $ru) * VOCAB) + (params.first + output_$o)] = sum_$r_$o * rms_$r; }
//end
//end
}
