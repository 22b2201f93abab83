// attn_decode: attention of one position per row over the keys and values of its sequence, with sinks.
//
//   q        f32 [ROWS][HEADS][HEAD_DIM]    kCache, vCache  [page][128][KV_HEADS][HEAD_DIM], f32 or f16
//   result   SPLITS == 1: f32 [rows][HEADS][HEAD_DIM], finished
//            SPLITS > 1: for attn_reduce, f32 [rows][HEADS][SPLITS][HEAD_DIM], sums of exp(score - m) * value, then
//            [rows][HEADS][SPLITS][2], m and the sum of exp(score - m); m is LOWEST and the sum 0 where a split is empty
//   grid     (KV_HEADS * PASSES, SPLITS, rows): a workgroup serves GROUP query heads of one KV head
//   source   openai/gpt-oss torch/model.py sdpa
//   host     runtime/kernel/attn_decode.go
//
// Visible are the positions up to the row's own, in a sliding layer the last WINDOW of them. They are divided evenly, in multiples of 32,
// among as many splits as a text of that length has, whatever others are in the batch: FEW_SPLITS up to FEW_POSITIONS, twice as many up to 8
// times as many positions, and so on. The other splits stay empty. A workgroup takes STEPS * STREAMS positions at a time: stream s of STREAMS takes every STREAMS-th
// position, and its PARTS lanes each hold 8 elements of the head. Each stream keeps an online softmax of its own (m, l and, spread
// over its lanes, the weighted sum of values); at the end the streams are joined. Keys and values are read once for GROUP heads,
// and those of the next positions are requested before the present ones are used.
//
//const HEADS     query heads
//const KV_HEADS  key heads
//const HEAD_DIM  multiple of 8
//const GROUP     query heads of a workgroup, at most HEAD_DIM/8
//const PASSES    workgroups that share the query heads of a KV head
//const SPLITS    parts of the visible positions that there is room for
//const FEW_SPLITS  parts of a text of FEW_POSITIONS
//const FEW_POSITIONS  see above
//const SINKS     element of vectors where the sinks begin, multiple of 8
//const WINDOW    positions that a sliding layer sees
//const STREAMS   streams of positions
//const STEPS     positions that a stream takes at a time; STEPS * GROUP is at most 16
//const WG        workgroup size, STREAMS * HEAD_DIM/8
//const KV_F16    1 if keys and values are f16
//use bf16 kv pages

struct Params { scale: f32, } // of the scores

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: array<u32>;
@group(0) @binding(2) var<storage, read> q: array<vec4f>;             // [ROWS][HEADS][HEAD_DIM/4]
@group(0) @binding(3) var<storage, read> kCache: array<KV8>;          // [slots][KV_HEADS][PARTS]
@group(0) @binding(4) var<storage, read> vCache: array<KV8>;          // the same
@group(0) @binding(5) var<storage, read> vectors: array<vec4u>;
@group(0) @binding(6) var<storage, read_write> result: array<f32>;

const HEADS_PER_KV: u32 = HEADS / KV_HEADS;
const PARTS: u32 = HEAD_DIM / 8u;
const TILE: u32 = STEPS * STREAMS;
const LOWEST: f32 = -0x1.fffffep+127f;

const STORED: u32 = WG + 4u; // the padding keeps readers and writers in different banks of 32
const SCRATCH: u32 = 16u * STORED;
const QUERIES: u32 = GROUP * PARTS;
const WEIGHTS: u32 = TILE * GROUP;
const SCORERS: u32 = STREAMS * GROUP;

// The parts of scores, [STEPS][GROUP][WG]; at the end the lanes' sums of a head, [2][8][STORED].
var<workgroup> scratch: array<f32, SCRATCH>;
var<workgroup> qLow: array<vec4f, QUERIES>;         // [GROUP][PARTS] elements 0..3 of each 8
var<workgroup> qHigh: array<vec4f, QUERIES>;        // [GROUP][PARTS] elements 4..7
var<workgroup> weight: array<f32, WEIGHTS>;         // [STEPS][STREAMS][GROUP] exp(score - m)
var<workgroup> decay: array<f32, SCORERS>;          // [STREAMS][GROUP] exp(old m - m); at the end exp(m - m of all streams)
var<workgroup> streamMax: array<f32, SCORERS>;      // [STREAMS][GROUP] m
var<workgroup> streamSum: array<f32, SCORERS>;      // [STREAMS][GROUP] l, relative to the m of all streams
var<workgroup> headMax: array<f32, GROUP>;          // m of all streams

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup.z;
  if ((rowFlags(row) & ROW_UNUSED) != 0u) { return; }
  let kvHead = workgroup.x / PASSES;
  let firstOfGroup = (workgroup.x % PASSES) * GROUP;   // among the query heads of the KV head
  let heads = min(GROUP, HEADS_PER_KV - firstOfGroup); // the last pass may have fewer
  let firstHead = (kvHead * HEADS_PER_KV) + firstOfGroup;

  // The positions of this split are [begin, end).
  let visibleEnd = rowPosition(row) + 1u;
  var visibleBegin = 0u;
  if (SLIDING == 1u && visibleEnd > WINDOW) { visibleBegin = visibleEnd - WINDOW; }
  var splits = min(FEW_SPLITS, SPLITS);
  for (var upTo = FEW_POSITIONS; visibleEnd > upTo && splits < SPLITS; upTo *= 8u) { splits = min(2u * splits, SPLITS); }
  let share = ((((visibleEnd - visibleBegin) + (32u * splits)) - 1u) / (32u * splits)) * 32u;
  let begin = min(visibleBegin + (workgroup.y * share), visibleEnd);
  let end = min(begin + share, visibleEnd);

  let stream = lane / PARTS;
  let part = lane % PARTS;
  let table = rowTable(row);
//unroll t STEPS
  var at_$t = 0u; // beyond the end, the last position is loaded again and not used
  if (begin < end) { at_$t = (((pageSlot(table, min((begin + ($tu * STREAMS)) + stream, end - 1u)) * KV_HEADS) + kvHead) * PARTS) + part; }
  var nextKey_$t = kCache[at_$t];
  var nextValue_$t = vCache[at_$t];
//end
  for (var i = lane; i < QUERIES; i += WG) {
    let head = firstHead + min(i / PARTS, heads - 1u);
    let at = (((row * HEADS) + head) * (HEAD_DIM / 4u)) + (2u * (i % PARTS));
    qLow[i] = q[at];
    qHigh[i] = q[at + 1u];
  }

  // As a scorer, a lane joins the parts of the scores of one stream and head, and holds their m and l.
  let scorer = lane < SCORERS;
  let scorerHead = lane / STREAMS;
  let scorerStream = lane % STREAMS;
  var m = LOWEST;
  var l = 0.0;
//unroll g GROUP
  var sumLow_$g = vec4f(0.0);
  var sumHigh_$g = vec4f(0.0);
//end
  for (var tile = begin; tile < end; tile += TILE) {
//unroll t STEPS
    let key_$t = nextKey_$t;
    let value_$t = nextValue_$t;
    at_$t = (((pageSlot(table, min(((tile + TILE) + ($tu * STREAMS)) + stream, end - 1u)) * KV_HEADS) + kvHead) * PARTS) + part;
    nextKey_$t = kCache[at_$t];
    nextValue_$t = vCache[at_$t];
    let keyLow_$t = kvLow(key_$t);
    let keyHigh_$t = kvHigh(key_$t);
//end
    workgroupBarrier(); // q is there, and the weights of the last tile are used
//unroll g GROUP
    let qLow_$g = qLow[($gu * PARTS) + part];
    let qHigh_$g = qHigh[($gu * PARTS) + part];
//unroll t STEPS
    scratch[((($tu * GROUP) + $gu) * WG) + lane] = dot(keyLow_$t, qLow_$g) + dot(keyHigh_$t, qHigh_$g);
//end
//end
    workgroupBarrier();
    if (scorer) {
      var most = m;
//unroll t STEPS
      var score_$t = 0.0;
//unroll i HEAD_DIM/8
      let rotated_$t_$i = ($iu + ((scorerStream * PARTS) / 32u)) % PARTS; // so that neighbours read different banks
      score_$t += scratch[(((($tu * GROUP) + scorerHead) * WG) + (scorerStream * PARTS)) + rotated_$t_$i];
//end
      score_$t *= params.scale;
      let visible_$t = (tile + ($tu * STREAMS)) + scorerStream < end;
      if (visible_$t) { most = max(most, score_$t); }
//end
      let shrink = exp(m - most);
      m = most;
      l *= shrink;
      decay[(scorerStream * GROUP) + scorerHead] = shrink;
//unroll t STEPS
      let weight_$t = select(0.0, exp(score_$t - most), visible_$t);
      l += weight_$t;
      weight[((($tu * STREAMS) + scorerStream) * GROUP) + scorerHead] = weight_$t;
//end
    }
    workgroupBarrier();
//unroll t STEPS
    let valueLow_$t = kvLow(value_$t);
    let valueHigh_$t = kvHigh(value_$t);
//end
//unroll g GROUP
    let decay_$g = decay[(stream * GROUP) + $gu];
    sumLow_$g *= decay_$g;
    sumHigh_$g *= decay_$g;
//unroll t STEPS
    let weight_$g_$t = weight[((($tu * STREAMS) + stream) * GROUP) + $gu];
    sumLow_$g += weight_$g_$t * valueLow_$t;
    sumHigh_$g += weight_$g_$t * valueHigh_$t;
//end
//end
  }

  // Join the streams.
  if (scorer) { streamMax[(scorerStream * GROUP) + scorerHead] = m; }
  workgroupBarrier();
  if (scorer) {
    var most = LOWEST;
//unroll s STREAMS
    most = max(most, streamMax[($su * GROUP) + scorerHead]);
//end
    let shrink = exp(m - most);
    decay[(scorerStream * GROUP) + scorerHead] = shrink;
    streamSum[(scorerStream * GROUP) + scorerHead] = l * shrink;
    if (scorerStream == 0u) { headMax[scorerHead] = most; }
  }
  workgroupBarrier();
//unroll g GROUP
  // The halves of the scratch take turns: a lane writes one only after all have read it two heads ago.
  let half_$g = ($gu % 2u) * (8u * STORED);
  let low_$g = sumLow_$g * decay[(stream * GROUP) + $gu];
  let high_$g = sumHigh_$g * decay[(stream * GROUP) + $gu];
//unroll e 4
  scratch[(half_$g + ($eu * STORED)) + lane] = low_$g[$e];
  scratch[(half_$g + ((4u + $eu) * STORED)) + lane] = high_$g[$e];
//end
  workgroupBarrier();
  if ($gu < heads) {
    let head = firstHead + $gu;
    let at = (((row * HEADS) + head) * SPLITS) + workgroup.y;
    let most = headMax[$g];
    for (var d = lane; d < HEAD_DIM; d += WG) {
      var total = 0.0;
      var sum = 0.0;
//unroll s STREAMS
      total += streamSum[($su * GROUP) + $gu];
      sum += scratch[((half_$g + ((d % 8u) * STORED)) + ($su * PARTS)) + (d / 8u)];
//end
      if (SPLITS == 1u) {
        let sink = bf16Of(vectors[(SINKS + head) / 8u], head);
        let top = max(most, sink);
        let factor = exp(most - top);
        sum = (sum * factor) / ((total * factor) + exp(sink - top));
      } else if (d == 0u) {
        let sums = ((grid.z * HEADS) * SPLITS) * HEAD_DIM;
        result[sums + (2u * at)] = most;
        result[(sums + (2u * at)) + 1u] = total;
      }
      result[(at * HEAD_DIM) + d] = sum;
    }
  }
//end
}
