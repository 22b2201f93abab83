// The sum over a workgroup, returned to every lane. All lanes must call it: it holds barriers. The order is fixed: lanes
// at a distance of WG/2 are joined, then of WG/4, and so on.
//
//const WG  workgroup size, power of two

var<workgroup> reduceScratch: array<f32, WG>;

fn reduceSum(lane: u32, value: f32) -> f32 {
  reduceScratch[lane] = value;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half = half / 2u) {
    if (lane < half) { reduceScratch[lane] += reduceScratch[lane + half]; }
    workgroupBarrier();
  }
  let total = reduceScratch[0];
  workgroupBarrier(); // the scratch may be written again
  return total;
}
