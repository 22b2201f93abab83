// attn_reduce: joins the splits of attn_decode and adds the sinks.
//
//   a         f32 [rows][HEADS][HEAD_DIM]
//   partials  f32 [rows][HEADS][SPLITS][HEAD_DIM], then [rows][HEADS][SPLITS][2]: see attn_decode
//   grid      (HEADS, 1, rows)
//   source    openai/gpt-oss torch/model.py sdpa
//   host      runtime/kernel/attn_reduce.go
//
// Group g of GROUPS takes splits g, g+GROUPS, ...; its HEAD_DIM/4 lanes hold 4 elements of the head each. At the end the groups are
// added up in order.
//
//const HEADS     query heads
//const HEAD_DIM  elements of a head, multiple of 4
//const SPLITS    parts of the visible positions
//const SINKS     element of vectors where the sinks begin, multiple of 8
//const GROUPS    groups of lanes
//const ROUNDS    splits of a group: SPLITS/GROUPS rounded up
//const WG        workgroup size, GROUPS * HEAD_DIM/4
//use bf16

@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read> vectors: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> a: array<vec4f>;   // [rows][HEADS][HEAD_DIM/4]

const PARTS: u32 = HEAD_DIM / 4u;
const PADDED: u32 = ((SPLITS + 15u) / 16u) * 16u; // the largest m is sought among 16 at a time

var<workgroup> splitMax: array<f32, PADDED>; // m of each split
var<workgroup> splitSum: array<f32, PADDED>; // its sum of exp(score - m)
var<workgroup> groupValues: array<vec4f, WG>; // [GROUPS][PARTS]
var<workgroup> groupSum: array<f32, GROUPS>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let head = (workgroup.z * HEADS) + workgroup.x;
  let at = head * SPLITS;
  let sums = ((grid.z * HEADS) * SPLITS) * PARTS;
  let sink = bf16Of(vectors[(SINKS + workgroup.x) / 8u], workgroup.x);
  let group = lane / PARTS;
  let part = lane % PARTS;
//unroll k ROUNDS
  let split_$k = min(group + ($ku * GROUPS), SPLITS - 1u);
  let values_$k = partials[((at + split_$k) * PARTS) + part];
//end
  for (var s = lane; s < PADDED; s += WG) {
    let pair = partials[sums + ((at + min(s, SPLITS - 1u)) / 2u)]; // of two splits
    let odd = ((at + min(s, SPLITS - 1u)) & 1u) == 1u;
    splitMax[s] = select(pair.x, pair.z, odd);
    splitSum[s] = select(pair.y, pair.w, odd);
  }
  workgroupBarrier();
  var most = sink;
  for (var s = 0u; s < PADDED; s += 16u) {
//unroll k 16
    most = max(most, splitMax[s + $ku]);
//end
  }
  var values = vec4f(0.0);
  var sum = 0.0;
//unroll k ROUNDS
  let weight_$k = select(0.0, exp(splitMax[split_$k] - most), group + ($ku * GROUPS) < SPLITS);
  values += values_$k * weight_$k;
  sum += splitSum[split_$k] * weight_$k;
//end
  groupValues[lane] = values;
  if (part == 0u) { groupSum[group] = sum; }
  workgroupBarrier();
  if (lane < PARTS) {
    var total = exp(sink - most);
    var joined = vec4f(0.0);
//unroll g GROUPS
    total += groupSum[$g];
    joined += groupValues[($gu * PARTS) + lane];
//end
    a[(head * PARTS) + lane] = joined / total;
  }
}
