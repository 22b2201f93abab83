// The better of candidates {key, id}: the larger key, the lower id on ties.
//
//const WG  workgroup size, power of two

var<workgroup> bestScratch: array<vec2u, WG>;

fn better(a: vec2u, b: vec2u) -> vec2u { return select(a, b, b.x > a.x || (b.x == a.x && b.y < a.y)); }

// The best of all lanes, in lane 0. All lanes call it: it holds barriers.
fn bestOf(lane: u32, candidate: vec2u) -> vec2u {
  bestScratch[lane] = candidate;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half = half / 2u) {
    if (lane < half) { bestScratch[lane] = better(bestScratch[lane], bestScratch[lane + half]); }
    workgroupBarrier();
  }
  return bestScratch[0];
}
