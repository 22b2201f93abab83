// The TOPK experts of a row, largest logit first, the lower id on ties: after topkChoose they are in topkExpert and topkLogit, to be indexed
// by constants. NaN counts as the smallest logit. The kernel declares logits: array<f32>, [rows][EXPERTS].
//
// Ranks are counted instead of sorted: an expert's rank is the number of experts before it, so the ranks are a permutation and every
// place is filled. Where there are many experts, groups of GROUP neighbours are ranked first, by their best members: the chosen
// experts lie in the first TOPK groups, and only those are ranked one by one.
//
//use order
//const EXPERTS  experts of the layer
//const TOPK     experts that a row uses
//const GROUP    experts in a group, 1 or such that there are at least TOPK groups
//const WG       workgroup size

const TOPK_GROUPS: u32 = ((EXPERTS + GROUP) - 1u) / GROUP;
const TOPK_CANDIDATES: u32 = TOPK * GROUP;

var<workgroup> topkGroup: array<u32, TOPK_GROUPS>; // key of each group's best member
var<workgroup> topkKey: array<u32, TOPK_CANDIDATES>;
var<workgroup> topkId: array<u32, TOPK_CANDIDATES>;
var<workgroup> topkExpert: array<u32, TOPK>;
var<workgroup> topkLogit: array<f32, TOPK>;

// Members beyond the last expert come after all others.
fn topkKeyOf(row: u32, e: u32) -> u32 {
  if (e >= EXPERTS) { return 0u; }
  return orderKey(logits[(row * EXPERTS) + e]);
}

fn topkChoose(lane: u32, row: u32) {
  for (var g = lane; g < TOPK_GROUPS; g += WG) {
    var best = 0u;
    for (var m = 0u; m < GROUP; m++) { best = max(best, topkKeyOf(row, (g * GROUP) + m)); }
    topkGroup[g] = best;
  }
  workgroupBarrier();
  for (var g = lane; g < TOPK_GROUPS; g += WG) {
    let key = topkGroup[g];
    var rank = 0u;
    for (var j = 0u; j < TOPK_GROUPS; j++) {
      let other = topkGroup[j];
      rank += select(0u, 1u, (other > key) || ((other == key) && (j < g)));
    }
    if (rank < TOPK) {
      for (var m = 0u; m < GROUP; m++) {
        topkKey[(rank * GROUP) + m] = topkKeyOf(row, (g * GROUP) + m);
        topkId[(rank * GROUP) + m] = (g * GROUP) + m;
      }
    }
  }
  workgroupBarrier();
  for (var c = lane; c < TOPK_CANDIDATES; c += WG) {
    let id = topkId[c];
    let key = topkKey[c];
    var rank = 0u;
    for (var j = 0u; j < TOPK_CANDIDATES; j++) {
      let other = topkKey[j];
      rank += select(0u, 1u, (other > key) || ((other == key) && (topkId[j] < id)));
    }
    if (rank < TOPK) {
      topkExpert[rank] = id;
      topkLogit[rank] = logits[(row * EXPERTS) + id];
    }
  }
  workgroupBarrier();
}
