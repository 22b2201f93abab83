// sort_experts: sorts a chunk's assignments by expert and cuts them into tiles, each of one expert.
//
//   sel      {expert: u32, weight: f32} [rows][TOPK]
//   lists    the tiles and the sorted assignments; see lib/lists.wgsl
//   grid     (EXPERTS, 1, 1)    workgroup (WG, 1, 1)
//   source   a counting sort; stable, so that the result depends on sel alone
//   host     runtime/kernel/sort_experts.go
//
// Assignment a is choice a % TOPK of row a / TOPK. A workgroup lists the assignments of one expert, in order: it counts all
// experts' assignments, each invocation a run of neighbouring ones, and adds up what comes before its own.
//
//const EXPERTS    experts
//const TOPK       experts of a row
//const TILE       assignments of a tile
//const WG         workgroup size, power of two
//use lists

struct Chunk { n: u32, } // rows
struct Choice { expert: u32, weight: f32, }

@group(0) @binding(0) var<uniform> chunk: Chunk;
@group(0) @binding(1) var<storage, read> sel: array<Choice>;        // [rows][TOPK]
@group(0) @binding(2) var<storage, read_write> lists: array<u32>;

var<workgroup> counts: array<atomic<u32>, EXPERTS>;
var<workgroup> before: array<u32, WG>; // assignments of this expert up to and with an invocation's run

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let expert = workgroup.x;
  let total = chunk.n * TOPK;
  let run = (total + WG - 1u) / WG;
  let start = min(lane * run, total);
  let end = min(start + run, total);

  for (var e = lane; e < EXPERTS; e += WG) { atomicStore(&counts[e], 0u); }
  workgroupBarrier();
  var own = 0u;
  for (var a = start; a < end; a++) {
    let e = sel[a].expert;
    atomicAdd(&counts[e], 1u);
    own += select(0u, 1u, e == expert);
  }
  before[lane] = own;
  workgroupBarrier();
  for (var d = 1u; d < WG; d *= 2u) { // inclusive sums, of runs twice as long each time
    var sum = before[lane];
    if (lane >= d) { sum += before[lane - d]; }
    workgroupBarrier();
    before[lane] = sum;
    workgroupBarrier();
  }

  var first = 0u; // assignments of the experts before this one, and their tiles
  var tile = 0u;
  for (var e = 0u; e < expert; e++) {
    let c = atomicLoad(&counts[e]);
    first += c;
    tile += (c + TILE - 1u) / TILE;
  }
  let count = atomicLoad(&counts[expert]);
  let tiles = (count + TILE - 1u) / TILE;
  if ((expert == EXPERTS - 1u) && (lane == 0u)) { lists[0] = tile + tiles; }
  for (var i = lane; i < tiles; i += WG) {
    let at = LISTS_TILES + ((tile + i) * TILE_WORDS);
    lists[at] = expert;
    lists[at + 1u] = first + (i * TILE);
    lists[at + 2u] = min(TILE, count - (i * TILE));
  }
  var to = LISTS_SORTED + first + before[lane] - own;
  for (var a = start; a < end; a++) {
    if (sel[a].expert == expert) {
      lists[to] = a;
      to++;
    }
  }
}
