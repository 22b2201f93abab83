// qkv_decode: RMSNorm, the projections to query, key and value, bias, RoPE, and the write of key and value to the cache.
//
//   q        f32 [rows][HEADS][HEAD_DIM], rotated, not scaled
//   kCache, vCache   [page][128][KV_HEADS][HEAD_DIM], f32 or f16; keys are stored after RoPE
//   weights  bf16 [params.count][WIDTH]: rows of q, then k, then v, from params.first on; whole heads
//   rope     f32 [positions][HEAD_DIM/2][2]: cos and sin, times the concentration
//   grid     a workgroup makes OUTPUTS outputs of a head for ROWS rows of the batch: count/OUTPUTS * ROW_TILES, folded over y
//   source   openai/gpt-oss torch/model.py RMSNorm, AttentionBlock.forward, _apply_rotary_emb
//   host     runtime/kernel/qkv_decode.go
//
// Lane l takes chunks l, l+WG, ... of 8 inputs, for all OUTPUTS weight rows, so each input is loaded once for OUTPUTS rows and each
// weight once for ROWS rows of the batch; the workgroups that load the same weights are neighbours. The norm is a factor 1/rms per row
// of the batch: it multiplies the finished sums, and the sum of squares is formed beside them. RoPE pairs element i of a head with
// i + HEAD_DIM/2, so the outputs of a workgroup are two runs of PAIRS elements, HEAD_DIM/2 apart.
//
//const ROWS       rows of a workgroup
//const ROW_TILES  workgroups for all rows of the batch
//const WIDTH      hidden size, multiple of 8
//const HEADS      query heads
//const KV_HEADS   key heads
//const HEAD_DIM   multiple of OUTPUTS
//const OUTPUTS    outputs of a workgroup, multiple of 4
//const NORM       element of vectors where the norm's weight begins, multiple of 8
//const BIAS       element where the bias begins, multiple of 8
//const KV_F16     1 stores keys and values as f16
//const WG         workgroup size
//use bf16 sums kv pages

struct Params {
  first: u32, // row of the shard's first weight row, multiple of HEAD_DIM
  count: u32, // weight rows of the shard, multiple of HEAD_DIM
  eps: f32,   // of RMSNorm
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;              // [rows][WIDTH/4]
@group(0) @binding(3) var<storage, read> vectors: array<vec4u>;
@group(0) @binding(4) var<storage, read> weights: array<vec4u>;        // [count][WIDTH/8]
@group(0) @binding(5) var<storage, read> rope: array<vec2f>;           // [positions][HEAD_DIM/2]
@group(0) @binding(6) var<storage, read_write> q: array<vec2f>;        // [rows][HEADS][HEAD_DIM/2]
@group(0) @binding(7) var<storage, read_write> kCache: array<KV2>;     // [slots][KV_HEADS][HEAD_DIM/2]
@group(0) @binding(8) var<storage, read_write> vCache: array<KV2>;     // the same

const CHUNKS: u32 = WIDTH / 8u;
const HALF: u32 = HEAD_DIM / 2u;
const PAIRS: u32 = OUTPUTS / 2u;
const TILES: u32 = HEAD_DIM / OUTPUTS; // workgroups of a head
const SUMS: u32 = OUTPUTS + 1u;        // the outputs, and the sum of squares

fn bias(i: u32) -> f32 { return bf16Of(vectors[(BIAS + i) / 8u], i); }

// Elements e, e+1 (in low) and e+HALF, e+1+HALF (in high) of a head, rotated.
fn rotateLow(low: vec2f, high: vec2f, a: vec2f, b: vec2f) -> vec2f {
  return vec2f((low.x * a.x) - (high.x * a.y), (low.y * b.x) - (high.y * b.y));
}
fn rotateHigh(low: vec2f, high: vec2f, a: vec2f, b: vec2f) -> vec2f {
  return vec2f((high.x * a.x) + (low.x * a.y), (high.y * b.x) + (low.y * b.y));
}

// Writes outputs element, element+1 and their partners of one row; their sums are 2*lane, 2*lane+1 and PAIRS further on.
fn finish(lane: u32, row: u32, head: u32, firstElement: u32) {
  let flags = rowFlags(row);
  if (lane >= PAIRS / 2u || (flags & ROW_UNUSED) != 0u) { return; }
  let rms = inverseSqrt((sumsGet(OUTPUTS) / f32(WIDTH)) + params.eps);
  let element = firstElement + (2u * lane);
  let i = (head * HEAD_DIM) + element;
  var low = vec2f(sumsGet(2u * lane), sumsGet((2u * lane) + 1u));
  var high = vec2f(sumsGet(PAIRS + (2u * lane)), sumsGet((PAIRS + (2u * lane)) + 1u));
  low = (low * rms) + vec2f(bias(i), bias(i + 1u));
  high = (high * rms) + vec2f(bias(i + HALF), bias((i + HALF) + 1u));

  let position = rowPosition(row);
  if (head < HEADS + KV_HEADS) {
    let a = rope[(position * HALF) + element];
    let b = rope[((position * HALF) + element) + 1u];
    let rotated = rotateLow(low, high, a, b);
    high = rotateHigh(low, high, a, b);
    low = rotated;
  }
  if (head < HEADS) {
    let at = ((row * HEADS * HEAD_DIM) + i) / 2u;
    q[at] = low;
    q[at + (HALF / 2u)] = high;
    return;
  }
  if (SLIDING == 0u && (flags & ROW_KEEP_FULL) != 0u) { return; }
  let slot = pageSlot(rowTable(row), position);
  let kvHead = (head - HEADS) % KV_HEADS;
  let at = ((((slot * KV_HEADS) + kvHead) * HEAD_DIM) + element) / 2u;
  if (head < HEADS + KV_HEADS) {
    kCache[at] = kvStore(low);
    kCache[at + (HALF / 2u)] = kvStore(high);
  } else {
    vCache[at] = kvStore(low);
    vCache[at + (HALF / 2u)] = kvStore(high);
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = workgroup.x + (workgroup.y * grid.x);
  let tile = group / ROW_TILES;
  let firstRow = (group % ROW_TILES) * ROWS;
  if (tile >= params.count / OUTPUTS) { return; }
  let localHead = tile / TILES;
  let element = (tile % TILES) * PAIRS;
  let weightRow = ((localHead * HEAD_DIM) + element) * CHUNKS;

//unroll r ROWS
  var square_$r = 0.0;
//unroll o OUTPUTS
  var sum_$r_$o = 0.0;
//end
//end
  for (var c = lane; c < CHUNKS; c += WG) {
//unroll o OUTPUTS
    let w_$o = weights[(weightRow + ((($ou % PAIRS) + (($ou / PAIRS) * HALF)) * CHUNKS)) + c];
//end
    let norm = vectors[(NORM / 8u) + c];
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
  finish(lane, firstRow + $ru, (params.first / HEAD_DIM) + localHead, element);
//end
}
