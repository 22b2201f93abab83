// SUMS sums over the lanes of a workgroup at once, with two barriers: every lane files its SUMS parts (sumsPut), all lanes call
// sumsJoin, then any lane may read any sum (sumsGet) until the next sumsJoin. The kernel declares the constant SUMS.
// The order is fixed: every eighth lane is added up in lane order, then the eight parts pairwise.
//
// This is one pass through workgroup memory where a tree would need log2(WG) barriers; eight is the padding that keeps the eight
// readers of a row, and those of the next rows, in different banks of 32.
//
//const WG  workgroup size, multiple of 32

const SUMS_ROW: u32 = WG + 8u;
const SUMS_SCRATCH: u32 = SUMS * SUMS_ROW;
const SUMS_PARTS: u32 = SUMS * 8u;

var<workgroup> sumsScratch: array<f32, SUMS_SCRATCH>; // [SUMS][SUMS_ROW]
var<workgroup> sumsParts: array<f32, SUMS_PARTS>;     // [SUMS][8]

fn sumsPut(i: u32, lane: u32, part: f32) { sumsScratch[(i * SUMS_ROW) + lane] = part; }

fn sumsJoin(lane: u32) {
  workgroupBarrier();
  for (var j = lane; j < SUMS_PARTS; j += WG) {
    let first = ((j / 8u) * SUMS_ROW) + (j % 8u);
    var part = 0.0;
//unroll k WG/8
    part += sumsScratch[first + ($ku * 8u)];
//end
    sumsParts[j] = part;
  }
  workgroupBarrier();
}

fn sumsGet(i: u32) -> f32 {
  let p = i * 8u;
  return ((sumsParts[p] + sumsParts[p + 1u]) + (sumsParts[p + 2u] + sumsParts[p + 3u]))
    + ((sumsParts[p + 4u] + sumsParts[p + 5u]) + (sumsParts[p + 6u] + sumsParts[p + 7u]));
}
