// sample_partial_full: the same as sample_partial, of the candidates that sample_adjust and sample_filter leave. Where they leave all
// and change nothing, the sums of logit and noise are the same.
//
//   candidates  {key: u32, id: u32} [rows][tiles]: key orders like the sum (lib/order.wgsl), 0 where a tile has no candidate
//   keys        u32 [rows][VOCAB], of sample_adjust; 0 is no candidate
//   edges       {key: u32, id: u32} [rows], of sample_filter
//   grid        (VOCAB/TILE rounded up, rows, 1)
//   host        runtime/kernel/sample_full.go; noise as in runtime/sample/noise.go
//
//const VOCAB  ids
//const TILE   ids of a workgroup
//const WG     workgroup size, power of two
//use step order noise edge best

@group(0) @binding(0) var<storage, read> step: array<u32>;
@group(0) @binding(1) var<storage, read> keys: array<u32>;                // [rows][VOCAB]
@group(0) @binding(2) var<storage, read> edges: array<vec2u>;             // [rows]
@group(0) @binding(3) var<storage, read_write> candidates: array<vec2u>;  // [rows][tiles]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup.y;
  if ((rowFlags(row) & (ROW_UNUSED | ROW_GIVEN)) != 0u) { return; }
  let temperature = bitcast<f32>(step[(row * ROW_WORDS) + 7u]);
  let key = noiseKey(step[(row * ROW_WORDS) + 5u], step[(row * ROW_WORDS) + 6u], rowPosition(row) + 1u);
  let edge = edges[row];
  let first = workgroup.x * TILE;
  var best = vec2u(0u, 0xffffffffu);
  for (var id = first + lane; id < min(first + TILE, VOCAB); id += WG) {
    let order = keys[(row * VOCAB) + id];
    if (withinEdge(edge, order, id)) {
      var value = orderValue(order);
      if (temperature > 0.0) { value += temperature * noise(key, id); }
      best = better(best, vec2u(orderKey(value), id));
    }
  }
  best = bestOf(lane, best);
  if (lane == 0u) { candidates[(row * grid.x) + workgroup.x] = best; }
}
