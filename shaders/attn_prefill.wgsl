// attn_prefill: attention of a chunk's queries to the cache, which already holds the chunk's own keys and values.
//
//   q        f32 [rows][HEADS][HEAD_DIM]
//   kCache, vCache  [page][PAGE][KV_HEADS][HEAD_DIM]
//   vectors  bf16, the HEADS sinks begin at element SINKS
//   a        f32 [rows][HEADS][HEAD_DIM]
//   grid     (rows * HEADS/KV_HEADS / TILE rounded up, KV_HEADS, 1); rows from chunk.n on are left alone
//   source   openai/gpt-oss torch/model.py sdpa
//   host     runtime/kernel/attn_prefill.go
//
// A workgroup has TILE queries of one key/value head, where query v is head v % GROUP of row v / GROUP: all of them share the keys
// and values that it loads, KEYS at a time. A softmax over the keys is kept up as they come: the largest score so far m, the sum l
// of exp(score - m), and the sum of exp(score - m) * value. The sink is a first score without a value. Keys that no query of the
// workgroup sees are not loaded.
//
// The workgroup is 16 x 16. Invocation (tx, ty) has queries ty + 16*i; of each, keys tx and tx + 16 of a tile, and of its result
// elements 4*tx to 4*tx + 3 of every part. Heads pass through workgroup memory in parts of 64 elements.
//
//const HEADS      query heads
//const KV_HEADS   key/value heads
//const HEAD_DIM   elements of a head, multiple of 8
//const WINDOW     keys that a query sees in a sliding layer, itself included
//const SINKS      first sink in vectors
//const KV_F16     1: the cache holds f16
//const TM         queries of an invocation, at most 4
//const PARTS      parts of 64 elements that a head has, rounded up
//use bf16 kv pages step

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
const TILE: u32 = 16u * TM;
const WEIGHTS: u32 = TILE * 16u;
const KEYS: u32 = 32u;
const QUADS: u32 = HEAD_DIM / 4u; // vec4f of a head

var<workgroup> tile: array<vec4f, 512>;        // [KEYS][16]: a part of each key or value; see tileSlot
var<workgroup> weights: array<vec2f, WEIGHTS>; // [TILE][16]: of keys t and t + 16

// tileSlot is where vec4f c of a key's part lies: exchanged among 16, so that equal c of neighbouring keys lie in different banks.
fn tileSlot(key: u32, c: u32) -> u32 { return (key * 16u) + (c ^ (key & 15u)); }

fn visible(key: u32, position: u32) -> bool {
  return (key <= position) && ((SLIDING == 0u) || (key + WINDOW > position));
}

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let queries = chunk.n * GROUP;
  let begin = workgroup.x * TILE;
  if (begin >= queries) { return; }
  let kvHead = workgroup.y;
  let tx = local.x;
  let ty = local.y;

  let start = rowPosition(0u); // of row 0; a chunk's positions are consecutive
  let last = start + ((min(begin + TILE, queries) - 1u) / GROUP);
  var first = 0u;
  if (SLIDING == 1u) { first = max(start + (begin / GROUP) + 1u, WINDOW) - WINDOW; }
  let table = rowTable(0u);

  // In a loading, an invocation has 8 elements of one key.
  let loadKey = ((ty * 16u) + tx) / 8u;
  let loadPart = tx % 8u;

  //unroll i TM
  let v$i = min(begin + ty + ($iu * 16u), queries - 1u); // those past the end repeat the last query
  let head$i = (kvHead * GROUP) + (v$i % GROUP);
  let position$i = start + (v$i / GROUP);
  let row$i = (((v$i / GROUP) * HEADS) + head$i) * QUADS;
  let w$i = (ty + ($iu * 16u)) * 16u;
  var m$i = bf16Of(vectors[(SINKS + head$i) / 8u], SINKS + head$i);
  var l$i = select(0.0, 1.0, tx == 0u); // of this invocation's keys; that of tx 0 begins with the sink
  //unroll d PARTS
  var sum$i_$d = vec4f(0.0);
  //end
  //end

  for (var k0 = first - (first % KEYS); k0 <= last; k0 += KEYS) {
    let loaded = (k0 + loadKey >= first) && (k0 + loadKey <= last);
    let source = (((pageSlot(table, k0 + loadKey) * KV_HEADS) + kvHead) * (QUADS / 2u)) + loadPart;

    //unroll i TM
    var s$i = vec4f(0.0); // of key tx, to be added up
    var r$i = vec4f(0.0); // of key tx + 16
    //end
    //unroll d PARTS
    workgroupBarrier(); // the former content of the tile has been used
    {
      var low = vec4f(0.0); // keys outside are zeros: whatever their memory holds must not meet a weight of zero
      var high = vec4f(0.0);
      if (loaded && (($du * 8u) + loadPart < QUADS / 2u)) {
        let k = kCache[source + ($du * 8u)];
        low = kvLow(k);
        high = kvHigh(k);
      }
      tile[tileSlot(loadKey, loadPart * 2u)] = low;
      tile[tileSlot(loadKey, (loadPart * 2u) + 1u)] = high;
    }
    workgroupBarrier();
    for (var c = 0u; c < min(16u, QUADS - ($du * 16u)); c += 2u) {
      //unroll u 2
      {
        let j = tile[tileSlot(tx, c + $uu)];
        let k = tile[tileSlot(tx + 16u, c + $uu)];
        //unroll i TM
        let q$i = q[row$i + ($du * 16u) + c + $uu];
        s$i = fma(q$i, j, s$i);
        r$i = fma(q$i, k, r$i);
        //end
      }
      //end
    }
    //end

    // The largest scores, first of each invocation's keys, then of all. Keys that a query doesn't see count as the largest so far.
    //unroll i TM
    let see$i = vec2<bool>(visible(k0 + tx, position$i), visible(k0 + tx + 16u, position$i));
    let score$i = select(vec2f(m$i), vec2f(dot(s$i, vec4f(1.0)), dot(r$i, vec4f(1.0))) * params.scale, see$i);
    weights[w$i + tx] = vec2f(max(score$i.x, score$i.y), 0.0);
    //end
    workgroupBarrier();
    //unroll i TM
    var top$i = m$i;
    //unroll t 16
    top$i = max(top$i, weights[w$i + $tu].x);
    //end
    //end
    workgroupBarrier();
    //unroll i TM
    let p$i = select(vec2f(0.0), exp(score$i - top$i), see$i);
    let shrink$i = exp(m$i - top$i);
    weights[w$i + tx] = p$i;
    l$i = (l$i * shrink$i) + (p$i.x + p$i.y);
    m$i = top$i;
    //end

    //unroll d PARTS
    if ($du > 0u) { workgroupBarrier(); }
    {
      var low = vec4f(0.0);
      var high = vec4f(0.0);
      if (loaded && (($du * 8u) + loadPart < QUADS / 2u)) {
        let v = vCache[source + ($du * 8u)];
        low = kvLow(v);
        high = kvHigh(v);
      }
      tile[tileSlot(loadKey, loadPart * 2u)] = low;
      tile[tileSlot(loadKey, (loadPart * 2u) + 1u)] = high;
    }
    workgroupBarrier();
    //unroll i TM
    sum$i_$d *= shrink$i;
    //end
    for (var t = 0u; t < 16u; t += 2u) {
      //unroll u 2
      {
        let j = tile[tileSlot(t + $uu, tx)];
        let k = tile[tileSlot(t + $uu + 16u, tx)];
        //unroll i TM
        let pair$i = weights[w$i + t + $uu];
        sum$i_$d = fma(vec4f(pair$i.y), k, fma(vec4f(pair$i.x), j, sum$i_$d));
        //end
      }
      //end
    }
    //end
  }

  workgroupBarrier();
  //unroll i TM
  weights[w$i + tx] = vec2f(l$i, 0.0);
  //end
  workgroupBarrier();
  //unroll i TM
  if (begin + ty + ($iu * 16u) < queries) {
    var l = 0.0;
    //unroll t 16
    l += weights[w$i + $tu].x;
    //end
    //unroll d PARTS
    if (($du * 16u) + tx < QUADS) { a[row$i + ($du * 16u) + tx] = sum$i_$d / l; }
    //end
  }
  //end
}
