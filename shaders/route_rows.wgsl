// route_rows: chooses the experts of all rows of a batch, weighs them, and sorts the assignments of rows to experts by expert.
//
//   logits   f32 [ROWS][EXPERTS]
//   sel      {expert: u32, weight: f32} [ROWS][TOPK]: the largest logits, largest first, and their softmax; unused rows are left alone
//   lists    the tiles and the sorted assignments; see lib/lists.wgsl. Unused rows have none
//   grid     (1, 1, 1)    workgroup (WG, 1, 1)
//   source   openai/gpt-oss torch/model.py MLPBlock.forward: topk, softmax
//   host     runtime/kernel/route_rows.go
//
// One workgroup does it all, because a dispatch costs more than that. It chooses as lib/topk.wgsl does, which says why the ranks are a
// permutation, but for AT_ONCE rows at a time: as many as fit in its memory. The weights are those of lib/choice.wgsl, bit by bit. The sort
// counts too: where an assignment comes is the number of those before it, so the result depends on the logits alone.
//
//const ROWS     rows of the batch
//const EXPERTS  experts of the layer
//const TOPK     experts that a row uses
//const TILE     assignments of a tile
//const GROUP    experts in a group, 1 or such that there are at least TOPK groups
//const AT_ONCE  rows whose experts are chosen at a time
//const WG       workgroup size
//use order lists step

struct Choice { expert: u32, weight: f32, }

@group(0) @binding(0) var<storage, read> step: array<u32>;
@group(0) @binding(1) var<storage, read> logits: array<f32>;         // [ROWS][EXPERTS]
@group(0) @binding(2) var<storage, read_write> sel: array<Choice>;   // [ROWS][TOPK]
@group(0) @binding(3) var<storage, read_write> lists: array<u32>;

const GROUPS: u32 = ((EXPERTS + GROUP) - 1u) / GROUP;
const CANDIDATES: u32 = TOPK * GROUP;
const ASSIGNMENTS: u32 = ROWS * TOPK;
const FIRST_WORDS: u32 = (ASSIGNMENTS + 31u) / 32u;
const NO_EXPERT: u32 = 0xffffffffu;
const GROUP_KEYS: u32 = AT_ONCE * GROUPS;
const FIRST_GROUPS: u32 = AT_ONCE * TOPK;
const KEYS: u32 = AT_ONCE * CANDIDATES;

var<workgroup> groupKey: array<u32, GROUP_KEYS>;     // [AT_ONCE][GROUPS] key of the group's best member
var<workgroup> firstGroup: array<u32, FIRST_GROUPS>; // [AT_ONCE][TOPK] the groups with the best members
var<workgroup> candidateKey: array<u32, KEYS>;       // [AT_ONCE][TOPK][GROUP] keys of their members
var<workgroup> chosen: array<u32, ASSIGNMENTS>;      // [ROWS][TOPK] experts; NO_EXPERT in unused rows
var<workgroup> firsts: array<atomic<u32>, FIRST_WORDS>; // bit set of the assignments with which a tile begins

// Members beyond the last expert come after all others.
fn keyOf(row: u32, e: u32) -> u32 {
  if (e >= EXPERTS) { return 0u; }
  return orderKey(logits[(row * EXPERTS) + e]);
}

fn isFirst(a: u32) -> u32 { return (atomicLoad(&firsts[a / 32u]) >> (a & 31u)) & 1u; }

// The experts of the rows from first on, at most AT_ONCE of them.
fn choose(lane: u32, first: u32) {
  let rows = min(AT_ONCE, ROWS - first);
  for (var i = lane; i < rows * GROUPS; i += WG) {
    var best = 0u;
    for (var m = 0u; m < GROUP; m++) { best = max(best, keyOf(first + (i / GROUPS), ((i % GROUPS) * GROUP) + m)); }
    groupKey[i] = best;
  }
  workgroupBarrier();
  for (var i = lane; i < rows * GROUPS; i += WG) {
    let r = i / GROUPS;
    let g = i % GROUPS;
    let key = groupKey[i];
    var rank = 0u;
    for (var j = 0u; j < GROUPS; j++) {
      let other = groupKey[(r * GROUPS) + j];
      rank += select(0u, 1u, (other > key) || ((other == key) && (j < g)));
    }
    if (rank < TOPK) {
      let at = (r * TOPK) + rank;
      firstGroup[at] = g;
      for (var m = 0u; m < GROUP; m++) { candidateKey[(at * GROUP) + m] = keyOf(first + r, (g * GROUP) + m); }
    }
  }
  workgroupBarrier();
  for (var i = lane; i < rows * CANDIDATES; i += WG) {
    let r = i / CANDIDATES;
    let id = (firstGroup[i / GROUP] * GROUP) + (i % GROUP);
    let key = candidateKey[i];
    var rank = 0u;
    for (var j = r * TOPK; j < (r + 1u) * TOPK; j++) {
      let firstId = firstGroup[j] * GROUP;
      for (var m = 0u; m < GROUP; m++) {
        let other = candidateKey[(j * GROUP) + m];
        rank += select(0u, 1u, (other > key) || ((other == key) && (firstId + m < id)));
      }
    }
    if (rank < TOPK) {
      let unused = (rowFlags(first + r) & ROW_UNUSED) != 0u;
      chosen[((first + r) * TOPK) + rank] = select(id, NO_EXPERT, unused);
    }
  }
  workgroupBarrier();
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32) {
  for (var w = lane; w < FIRST_WORDS; w += WG) { atomicStore(&firsts[w], 0u); }
  for (var first = 0u; first < ROWS; first += AT_ONCE) { choose(lane, first); }

  for (var a = lane; a < ASSIGNMENTS; a += WG) {
    let expert = chosen[a];
    if (expert != NO_EXPERT) {
      let row = a / TOPK;
      let best = logits[(row * EXPERTS) + chosen[row * TOPK]];
      var total = 0.0;
//unroll k TOPK
      total += exp(logits[(row * EXPERTS) + chosen[(row * TOPK) + $ku]] - best);
//end
      sel[a] = Choice(expert, exp(logits[(row * EXPERTS) + expert] - best) / total);

      var earlier = 0u; // assignments of this expert that come before a
      for (var b = 0u; b < a; b++) { earlier += select(0u, 1u, chosen[b] == expert); }
      if (earlier % TILE == 0u) { atomicOr(&firsts[a / 32u], 1u << (a & 31u)); }
    }
  }
  workgroupBarrier();
  for (var a = lane; a < ASSIGNMENTS; a += WG) {
    let expert = chosen[a];
    if (expert != NO_EXPERT) {
      var before = 0u;  // assignments of the experts before this one
      var tile = 0u;    // tiles before a's
      var earlier = 0u; // assignments of this expert: those before a
      var later = 0u;   // the others
      for (var b = 0u; b < ASSIGNMENTS; b++) {
        let other = chosen[b];
        let ahead = other < expert || (other == expert && b < a);
        before += select(0u, 1u, other < expert);
        earlier += select(0u, 1u, other == expert && b < a);
        later += select(0u, 1u, other == expert && b >= a);
        tile += select(0u, isFirst(b), ahead);
      }
      lists[(LISTS_SORTED + before) + earlier] = a;
      if (isFirst(a) == 1u) {
        let at = LISTS_TILES + (tile * TILE_WORDS);
        lists[at] = expert;
        lists[at + 1u] = before + earlier;
        lists[at + 2u] = min(TILE, later);
      }
    }
  }
  if (lane == 0u) {
    var tiles = 0u;
    for (var w = 0u; w < FIRST_WORDS; w++) { tiles += countOneBits(atomicLoad(&firsts[w])); }
    lists[0] = tiles;
  }
}
