// The TOPK experts of a row, largest logit first, the lower id on ties: after topkChoose they are in topkExpert and topkLogit, to be indexed
// by constants. NaN counts as the smallest logit. The kernel declares logits: array<f32>, [rows][EXPERTS].
//
// Each subgroup chooses by itself, without a barrier, one place after the other: the best of the experts that come after the last
// one chosen. Any subgroup size will do, and lanes may be distributed to subgroups in any way.
//
//use order
//const EXPERTS  experts of the layer
//const TOPK     experts that a row uses

var<private> topkExpert: array<u32, TOPK>;
var<private> topkLogit: array<f32, TOPK>;

fn topkChoose(lane: u32, row: u32) {
  let first = subgroupExclusiveAdd(1u);
  let lanes = subgroupAdd(1u);
  var lastKey = 0xffffffffu; // above all keys
  var lastId = 0u;
//unroll k TOPK
  {
    var key = 0u;
    var id = 0xffffffffu;
    for (var e = first; e < EXPERTS; e += lanes) {
      let other = orderKey(logits[(row * EXPERTS) + e]);
      let after = other < lastKey || (other == lastKey && e > lastId);
      if (after && (other > key || id == 0xffffffffu)) { // of equals the first, which has the lower id
        key = other;
        id = e;
      }
    }
    lastKey = subgroupMax(key);
    lastId = subgroupMin(select(0xffffffffu, id, key == lastKey));
    topkExpert[$k] = lastId;
    topkLogit[$k] = logits[(row * EXPERTS) + lastId];
  }
//end
}
