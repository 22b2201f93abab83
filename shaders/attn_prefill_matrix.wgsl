// attn_prefill_matrix: attn_prefill by the matrices that subgroups multiply.
//
//   q        f32 [rows][HEADS][HEAD_DIM]
//   kCache, vCache  [page][PAGE][KV_HEADS][HEAD_DIM]
//   vectors  bf16, the HEADS sinks begin at element SINKS
//   a        f32 [rows][HEADS][HEAD_DIM]
//   grid     (rows * HEADS/KV_HEADS / TILE rounded up, KV_HEADS, 1); rows from chunk.n on are left alone
//   source   openai/gpt-oss torch/model.py sdpa
//   host     runtime/kernel/attn_prefill.go
//
// A workgroup has TILE queries of one key/value head and takes KEYS keys at a time, as in attn_prefill. The matrices' factors are f16: keys and
// values may be in the cache as such, otherwise they are two terms each (lib/halves.wgsl), as queries and the weights of values are; the product of
// two low terms is left out, being less than what is rounded off. Heads are made WIDE elements with zeros. The scores, then the sums of values
// over the KEYS keys, pass through workgroup memory to invocation (tx, ty) of 16 x 8, which has queries ty + 8*i; of each, keys tx and tx + 16,
// and of its result elements 4*tx to 4*tx + 3 of every part of 64.
//
//const HEADS      query heads
//const KV_HEADS   key/value heads
//const HEAD_DIM   elements of a head, multiple of 8
//const WIDE       the same, rounded up to a multiple of 32
//const PARTS      parts of 64 elements that those have, rounded up
//const WINDOW     keys that a query sees in a sliding layer, itself included
//const SINKS      first sink in vectors
//const KV_F16     1: the cache holds f16
//const KV_F32     1: the cache holds f32
//const LOW        1: queries and weights have their low terms; 0: they are rounded to f16
//const LOW_KV     1: keys and values have low terms; 0: they are f16, or rounded to it
//const LANES        invocations of a subgroup
//const MATRIX_M     rows of a matrix of sums
//const MATRIX_N     its columns
//const MATRIX_K     length of the products of a step
//const SCORE_ACROSS  subgroups beside each other in the scores
//const SCORE_ROWS    matrices of a subgroup there, one above the other
//const SCORE_COLS    matrices of a subgroup there, beside each other
//const VALUE_ACROSS  the same in the sums of values
//const VALUE_ROWS    the same in the sums of values
//const VALUE_COLS    the same in the sums of values
//use bf16 halves kv pages step

struct Params { scale: f32, } // of scores: 1/sqrt(HEAD_DIM)
struct Chunk { n: u32, } // rows

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> chunk: Chunk;
@group(0) @binding(2) var<storage, read> step: array<u32>;
@group(0) @binding(3) var<storage, read> q: array<vec4f>;
@group(0) @binding(4) var<storage, read> kCache: array<KV8>;
@group(0) @binding(5) var<storage, read> vCache: array<KV8>;
@group(0) @binding(6) var<storage, read> vectors: array<vec4u>;
@group(0) @binding(7) var<storage, read_write> a: array<vec4f>;

const GROUP: u32 = HEADS / KV_HEADS;
const TILE: u32 = 32u;
const KEYS: u32 = 32u;
const QUADS: u32 = HEAD_DIM / 4u; // vec4f of a head
const EIGHTHS: u32 = HEAD_DIM / 8u;
const WIDE_QUADS: u32 = WIDE / 4u;
const WIDE_EIGHTHS: u32 = WIDE / 8u;
const PITCH: u32 = WIDE + 8u; // of a row of queries, keys or values, so that neighbouring rows lie in different banks
const PITCH_P: u32 = KEYS + 8u; // of a row of weights
const SIZE: u32 = TILE * PITCH;
const SIZE_P: u32 = TILE * PITCH_P;
const REDUCED: u32 = TILE * KEYS; // behind the scores in sums: [TILE][16], of each invocation largest scores, at the end sums of weights
const SIZE_SUMS: u32 = max(TILE * WIDE, REDUCED + (TILE * 16u));

alias Rows = subgroup_matrix_left<f16, MATRIX_K, MATRIX_M>;
alias Columns = subgroup_matrix_right<f16, MATRIX_N, MATRIX_K>;
alias Sums = subgroup_matrix_result<f32, MATRIX_N, MATRIX_M>;

var<workgroup> highQ: array<f16, SIZE>; // [TILE][PITCH]
var<workgroup> highP: array<f16, SIZE_P>; // [TILE][PITCH_P]
//unroll z LOW
var<workgroup> lowQ: array<f16, SIZE>;
var<workgroup> lowP: array<f16, SIZE_P>;
//end
var<workgroup> tile: array<f16, SIZE>; // [KEYS][PITCH]: keys, then values
//unroll z LOW_KV
var<workgroup> lowTile: array<f16, SIZE>;
//end
var<workgroup> sums: array<f32, SIZE_SUMS>; // scores [TILE][KEYS], then values [TILE][WIDE]

fn visible(key: u32, position: u32) -> bool {
  return (key <= position) && ((SLIDING == 0u) || (key + WINDOW > position));
}

// scores multiplies queries and keys.
fn scores(subgroup: u32) {
  let row = (subgroup / SCORE_ACROSS) * (SCORE_ROWS * MATRIX_M);
  let col = (subgroup % SCORE_ACROSS) * (SCORE_COLS * MATRIX_N);
  //unroll i SCORE_ROWS
  //unroll j SCORE_COLS
  var y$i_$j: Sums;
  //end
  //end
  //unroll z LOW
  for (var k = 0u; k < WIDE; k += MATRIX_K) {
    //unroll j SCORE_COLS
    let b$j = subgroupMatrixLoad<Columns, col_major>(&tile, ((col + ($ju * MATRIX_N)) * PITCH) + k, PITCH);
    //end
    //unroll i SCORE_ROWS
    let a$i = subgroupMatrixLoad<Rows, row_major>(&lowQ, ((row + ($iu * MATRIX_M)) * PITCH) + k, PITCH);
    //unroll j SCORE_COLS
    y$i_$j = subgroupMatrixMultiplyAccumulate(a$i, b$j, y$i_$j);
    //end
    //end
    //unroll w LOW_KV
    //unroll j SCORE_COLS
    let d$j = subgroupMatrixLoad<Columns, col_major>(&lowTile, ((col + ($ju * MATRIX_N)) * PITCH) + k, PITCH);
    //end
    //unroll i SCORE_ROWS
    let c$i = subgroupMatrixLoad<Rows, row_major>(&highQ, ((row + ($iu * MATRIX_M)) * PITCH) + k, PITCH);
    //unroll j SCORE_COLS
    y$i_$j = subgroupMatrixMultiplyAccumulate(c$i, d$j, y$i_$j);
    //end
    //end
    //end
  }
  //unroll i SCORE_ROWS
  //unroll j SCORE_COLS
  y$i_$j = subgroupMatrixScalarMultiply(y$i_$j, 1.0 / LOW_FACTOR);
  //end
  //end
  //end
  for (var k = 0u; k < WIDE; k += MATRIX_K) {
    //unroll j SCORE_COLS
    let b$j = subgroupMatrixLoad<Columns, col_major>(&tile, ((col + ($ju * MATRIX_N)) * PITCH) + k, PITCH);
    //end
    //unroll i SCORE_ROWS
    let a$i = subgroupMatrixLoad<Rows, row_major>(&highQ, ((row + ($iu * MATRIX_M)) * PITCH) + k, PITCH);
    //unroll j SCORE_COLS
    y$i_$j = subgroupMatrixMultiplyAccumulate(a$i, b$j, y$i_$j);
    //end
    //end
  }
  //unroll i SCORE_ROWS
  //unroll j SCORE_COLS
  subgroupMatrixStore<row_major>(&sums, ((row + ($iu * MATRIX_M)) * KEYS) + col + ($ju * MATRIX_N), y$i_$j, KEYS);
  //end
  //end
}

// values multiplies weights and values.
fn values(subgroup: u32) {
  let row = (subgroup / VALUE_ACROSS) * (VALUE_ROWS * MATRIX_M);
  let col = (subgroup % VALUE_ACROSS) * (VALUE_COLS * MATRIX_N);
  //unroll i VALUE_ROWS
  //unroll j VALUE_COLS
  var y$i_$j: Sums;
  //end
  //end
  //unroll z LOW
  for (var k = 0u; k < KEYS; k += MATRIX_K) {
    //unroll j VALUE_COLS
    let b$j = subgroupMatrixLoad<Columns, row_major>(&tile, (k * PITCH) + col + ($ju * MATRIX_N), PITCH);
    //end
    //unroll i VALUE_ROWS
    let a$i = subgroupMatrixLoad<Rows, row_major>(&lowP, ((row + ($iu * MATRIX_M)) * PITCH_P) + k, PITCH_P);
    //unroll j VALUE_COLS
    y$i_$j = subgroupMatrixMultiplyAccumulate(a$i, b$j, y$i_$j);
    //end
    //end
    //unroll w LOW_KV
    //unroll j VALUE_COLS
    let d$j = subgroupMatrixLoad<Columns, row_major>(&lowTile, (k * PITCH) + col + ($ju * MATRIX_N), PITCH);
    //end
    //unroll i VALUE_ROWS
    let c$i = subgroupMatrixLoad<Rows, row_major>(&highP, ((row + ($iu * MATRIX_M)) * PITCH_P) + k, PITCH_P);
    //unroll j VALUE_COLS
    y$i_$j = subgroupMatrixMultiplyAccumulate(c$i, d$j, y$i_$j);
    //end
    //end
    //end
  }
  //unroll i VALUE_ROWS
  //unroll j VALUE_COLS
  y$i_$j = subgroupMatrixScalarMultiply(y$i_$j, 1.0 / LOW_FACTOR);
  //end
  //end
  //end
  for (var k = 0u; k < KEYS; k += MATRIX_K) {
    //unroll j VALUE_COLS
    let b$j = subgroupMatrixLoad<Columns, row_major>(&tile, (k * PITCH) + col + ($ju * MATRIX_N), PITCH);
    //end
    //unroll i VALUE_ROWS
    let a$i = subgroupMatrixLoad<Rows, row_major>(&highP, ((row + ($iu * MATRIX_M)) * PITCH_P) + k, PITCH_P);
    //unroll j VALUE_COLS
    y$i_$j = subgroupMatrixMultiplyAccumulate(a$i, b$j, y$i_$j);
    //end
    //end
  }
  //unroll i VALUE_ROWS
  //unroll j VALUE_COLS
  subgroupMatrixStore<row_major>(&sums, ((row + ($iu * MATRIX_M)) * WIDE) + col + ($ju * MATRIX_N), y$i_$j, WIDE);
  //end
  //end
}

// put stores eight elements of a key or value.
fn put(at: u32, v: KV8) {
  //unroll z KV_F16
  //unroll j 4
  {
    let pair = bitcast<vec2<f16>>(v[$j]);
    tile[at + ($ju * 2u)] = pair.x;
    tile[at + ($ju * 2u) + 1u] = pair.y;
  }
  //end
  //end
  //unroll z KV_F32
  putQuad(at, kvLow(v));
  putQuad(at + 4u, kvHigh(v));
  //end
}

//unroll z KV_F32
fn putQuad(at: u32, v: vec4f) {
  let high = half4(select(v, leading(v), LOW_KV == 1u));
  //unroll j 4
  tile[at + $ju] = high[$j];
  //end
  //unroll w LOW_KV
  let low = trailing(v);
  //unroll j 4
  lowTile[at + $ju] = low[$j];
  //end
  //end
}
//end

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let queries = chunk.n * GROUP;
  let begin = workgroup.x * TILE;
  if (begin >= queries) { return; }
  let kvHead = workgroup.y;
  let tx = lane % 16u;
  let ty = lane / 16u;
  let subgroup = lane / LANES;

  let start = rowPosition(0u); // of row 0; a chunk's positions are consecutive
  let last = start + ((min(begin + TILE, queries) - 1u) / GROUP);
  var first = 0u;
  if (SLIDING == 1u) { first = max(start + (begin / GROUP) + 1u, WINDOW) - WINDOW; }
  let table = rowTable(0u);

  //unroll i 4
  let v$i = min(begin + ty + ($iu * 8u), queries - 1u); // those past the end repeat the last query
  let head$i = (kvHead * GROUP) + (v$i % GROUP);
  let position$i = start + (v$i / GROUP);
  let row$i = (((v$i / GROUP) * HEADS) + head$i) * QUADS;
  let at$i = ty + ($iu * 8u);
  var m$i = bf16Of(vectors[(SINKS + head$i) / 8u], SINKS + head$i);
  var l$i = select(0.0, 1.0, tx == 0u); // of this invocation's keys; that of tx 0 begins with the sink
  //unroll d PARTS
  var sum$i_$d = vec4f(0.0);
  if (($du * 16u) + tx < WIDE_QUADS) {
    let quad = ($du * 16u) + tx;
    var query = vec4f(0.0);
    if (quad < QUADS) { query = q[row$i + quad] * params.scale; }
    let high = half4(select(query, leading(query), LOW == 1u));
    //unroll j 4
    highQ[(at$i * PITCH) + (quad * 4u) + $ju] = high[$j];
    //end
    //unroll z LOW
    let low = trailing(query);
    //unroll j 4
    lowQ[(at$i * PITCH) + (quad * 4u) + $ju] = low[$j];
    //end
    //end
  }
  //end
  //end

  for (var k0 = first - (first % KEYS); k0 <= last; k0 += KEYS) {
    // Of keys, then of values, an invocation loads 8 elements some times. Those outside are zeros: whatever their memory holds must not meet a
    // weight of zero.
    //unroll u WIDE/32
    let slot$u = lane + ($uu * 128u);
    let key$u = slot$u / WIDE_EIGHTHS;
    let eighth$u = slot$u % WIDE_EIGHTHS;
    let loaded$u = (k0 + key$u >= first) && (k0 + key$u <= last) && (eighth$u < EIGHTHS);
    let source$u = (((pageSlot(table, k0 + key$u) * KV_HEADS) + kvHead) * EIGHTHS) + eighth$u;
    let to$u = (key$u * PITCH) + (eighth$u * 8u);
    {
      var k: KV8;
      if (loaded$u) { k = kCache[source$u]; }
      put(to$u, k);
    }
    //end
    workgroupBarrier();
    scores(subgroup);
    workgroupBarrier();
    //unroll u WIDE/32
    {
      var v: KV8;
      if (loaded$u) { v = vCache[source$u]; }
      put(to$u, v);
    }
    //end

    // The largest scores, first of each invocation's keys, then of all. Keys that a query doesn't see count as the largest so far.
    //unroll i 4
    let see$i = vec2<bool>(visible(k0 + tx, position$i), visible(k0 + tx + 16u, position$i));
    let score$i = select(vec2f(m$i), vec2f(sums[(at$i * KEYS) + tx], sums[(at$i * KEYS) + tx + 16u]), see$i);
    sums[REDUCED + (at$i * 16u) + tx] = max(score$i.x, score$i.y);
    //end
    workgroupBarrier();
    //unroll i 4
    var top$i = m$i;
    //unroll t 16
    top$i = max(top$i, sums[REDUCED + (at$i * 16u) + $tu]);
    //end
    let p$i = select(vec2f(0.0), exp(score$i - top$i), see$i);
    let shrink$i = exp(m$i - top$i);
    {
      let weight = vec4f(p$i, 0.0, 0.0);
      let high = half4(select(weight, leading(weight), LOW == 1u));
      highP[(at$i * PITCH_P) + tx] = high.x;
      highP[(at$i * PITCH_P) + tx + 16u] = high.y;
      //unroll z LOW
      let low = trailing(weight);
      lowP[(at$i * PITCH_P) + tx] = low.x;
      lowP[(at$i * PITCH_P) + tx + 16u] = low.y;
      //end
    }
    l$i = (l$i * shrink$i) + (p$i.x + p$i.y);
    m$i = top$i;
    //end
    workgroupBarrier();
    values(subgroup);
    workgroupBarrier();
    //unroll i 4
    //unroll d PARTS
    if (($du * 16u) + tx < WIDE_QUADS) {
      let place = (at$i * WIDE) + ((($du * 16u) + tx) * 4u);
      sum$i_$d = fma(sum$i_$d, vec4f(shrink$i), vec4f(sums[place], sums[place + 1u], sums[place + 2u], sums[place + 3u]));
    }
    //end
    //end
  }

  workgroupBarrier();
  //unroll i 4
  sums[REDUCED + (at$i * 16u) + tx] = l$i;
  //end
  workgroupBarrier();
  //unroll i 4
  if (begin + at$i < queries) {
    var l = 0.0;
    //unroll t 16
    l += sums[REDUCED + (at$i * 16u) + $tu];
    //end
    //unroll d PARTS
    if (($du * 16u) + tx < QUADS) { a[row$i + ($du * 16u) + tx] = sum$i_$d / l; }
    //end
  }
  //end
}
