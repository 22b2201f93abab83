// attn_reduce: joins the splits of attn_decode and adds the sinks.
//
//   a         f32 [rows][HEADS][HEAD_DIM]
//   partials  f32 [rows][HEADS][SPLITS][HEAD_DIM], then [rows][HEADS][SPLITS][2]: see attn_decode
//   grid      (HEADS, 1, rows)
//   source    openai/gpt-oss torch/model.py sdpa
//   host      runtime/kernel/attn_reduce.go
//
//const HEADS     query heads
//const HEAD_DIM  elements of a head
//const SPLITS    parts of the visible positions
//const SINKS     element of vectors where the sinks begin, multiple of 8
//const WG        workgroup size
//use bf16

@group(0) @binding(0) var<storage, read> partials: array<f32>;
@group(0) @binding(1) var<storage, read> vectors: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> a: array<f32>;   // [rows][HEADS][HEAD_DIM]

var<workgroup> splitMax: array<f32, SPLITS>; // m of each split, then exp(m - m of all)
var<workgroup> splitSum: array<f32, SPLITS>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let head = workgroup.x;
  let at = ((workgroup.z * HEADS) + head) * SPLITS;
  let sums = (((grid.z * HEADS) * SPLITS) * HEAD_DIM) + (2u * at);
  let sink = bf16Of(vectors[(SINKS + head) / 8u], head);
  for (var s = lane; s < SPLITS; s += WG) {
    splitMax[s] = partials[sums + (2u * s)];
    splitSum[s] = partials[(sums + (2u * s)) + 1u];
  }
  workgroupBarrier();
  var most = sink;
  for (var s = 0u; s < SPLITS; s++) { most = max(most, splitMax[s]); }
  workgroupBarrier();
  for (var s = lane; s < SPLITS; s += WG) { splitMax[s] = exp(splitMax[s] - most); }
  workgroupBarrier();
  for (var d = lane; d < HEAD_DIM; d += WG) {
    var total = exp(sink - most);
    var sum = 0.0;
    for (var s = 0u; s < SPLITS; s++) {
      total += splitSum[s] * splitMax[s];
      sum += partials[((at + s) * HEAD_DIM) + d] * splitMax[s];
    }
    a[(((workgroup.z * HEADS) + head) * HEAD_DIM) + d] = sum / total;
  }
}
