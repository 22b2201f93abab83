// rope_kv: rotates the queries and keys of a chunk and puts its keys and values into the cache.
//
//   qkv      f32 [rows][(HEADS + 2*KV_HEADS) * HEAD_DIM]: queries, keys, values
//   rope     f32 [positions][HEAD_DIM/2][2]: cos and sin, times the concentration
//   q        f32 [rows][HEADS][HEAD_DIM]
//   kCache, vCache  [page][PAGE][KV_HEADS][HEAD_DIM]; keys after rotation
//   grid     ((HEADS + 2*KV_HEADS) * HEAD_DIM/4 / WG rounded up, rows, 1); rows from chunk.n on are left alone
//   source   openai/gpt-oss torch/model.py RotaryEmbedding: element i of a head turns with element i + HEAD_DIM/2
//   host     runtime/kernel/rope_kv.go
//
//const HEADS      query heads
//const KV_HEADS   key/value heads
//const HEAD_DIM   elements of a head, multiple of 8
//const KV_F16     1: the cache holds f16
//const WG         workgroup size
//use kv pages step

struct Chunk { n: u32, } // rows

@group(0) @binding(0) var<uniform> chunk: Chunk;
@group(0) @binding(1) var<storage, read> step: array<u32>;
@group(0) @binding(2) var<storage, read> qkv: array<vec2f>;
@group(0) @binding(3) var<storage, read> rope: array<vec4f>;      // [positions][HEAD_DIM/4] of two elements' cos, sin
@group(0) @binding(4) var<storage, read_write> q: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> kCache: array<KV2>;
@group(0) @binding(6) var<storage, read_write> vCache: array<KV2>;

const HALF: u32 = HEAD_DIM / 4u; // pairs of elements in half a head; an invocation has one and its partner in the other half

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.y;
  let head = id.x / HALF; // query heads, then key heads, then value heads
  let c = id.x % HALF;
  if ((row >= chunk.n) || (head >= HEADS + (2u * KV_HEADS))) { return; }
  let position = rowPosition(row);

  let at = (((row * (HEADS + (2u * KV_HEADS))) + head) * HALF * 2u) + c;
  var low = qkv[at];
  var high = qkv[at + HALF];
  if (head < HEADS + KV_HEADS) {
    let turn = rope[(position * HALF) + c];
    let rotated = (low * turn.xz) - (high * turn.yw);
    high = (high * turn.xz) + (low * turn.yw);
    low = rotated;
  }
  if (head < HEADS) {
    let to = (((row * HEADS) + head) * HALF * 2u) + c;
    q[to] = low;
    q[to + HALF] = high;
    return;
  }

  let flags = rowFlags(row);
  if (((flags & ROW_UNUSED) != 0u) || ((SLIDING == 0u) && ((flags & ROW_KEEP_FULL) != 0u))) { return; }
  let kvHead = (head - HEADS) % KV_HEADS;
  let to = (((pageSlot(rowTable(row), position) * KV_HEADS) + kvHead) * HALF * 2u) + c;
  if (head < HEADS + KV_HEADS) {
    kCache[to] = kvStore(low);
    kCache[to + HALF] = kvStore(high);
  } else {
    vCache[to] = kvStore(low);
    vCache[to + HALF] = kvStore(high);
  }
}
