// The sum over a workgroup, returned to every lane. All lanes must call it: it holds barriers. A subgroup is joined by
// its own functions; their results are then joined in the order of the subgroups' first lanes. Any subgroup size will do, and lanes
// may be distributed to subgroups in any way: a subgroup files its result under its first lane, the other lanes file the neutral
// element.
//
//const WG  workgroup size, power of two

var<workgroup> reduceScratch: array<f32, WG>;

fn reduceSum(lane: u32, value: f32) -> f32 {
  let part = subgroupAdd(value);
  let first = subgroupBroadcastFirst(lane);
  reduceScratch[lane] = select(0.0, part, lane == first);
  workgroupBarrier();
  // Each subgroup adds all the parts by itself, WG / size of them per lane.
  let lanes = subgroupAdd(1u);
  var rest = 0.0;
  for (var i = subgroupExclusiveAdd(1u); i < WG; i += lanes) { rest += reduceScratch[i]; }
  let total = subgroupAdd(rest);
  workgroupBarrier(); // the scratch may be written again
  return total;
}
