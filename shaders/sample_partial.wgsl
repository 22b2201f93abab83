// sample_partial: the best id of each tile of a row's logits: the one with the largest logit + temperature * noise, the lowest id on
// ties. The largest over all tiles is distributed as softmax(logit / temperature) (Gumbel-max); temperature 0 is greedy.
//
//   candidates  {key: u32, id: u32} [rows][tiles]: key orders like the sum (lib/order.wgsl), 0 where a tile has no candidate
//   logits      f32 [rows][VOCAB]; those that aren't finite are never chosen
//   masks       bit sets [masks][(VOCAB+31)/32], which rows with the flag ROW_MASKED refer to
//   grid        (VOCAB/TILE rounded up, rows, 1)
//   host        runtime/kernel/sample.go; noise as in runtime/sample/noise.go
//
// The noise belongs to the position that the token will have: one after the row's last.
//
//const VOCAB  ids
//const TILE   ids of a workgroup
//const WG     workgroup size, power of two
//use step order noise best

@group(0) @binding(0) var<storage, read> step: array<u32>;
@group(0) @binding(1) var<storage, read> logits: array<f32>;              // [rows][VOCAB]
@group(0) @binding(2) var<storage, read> masks: array<u32>;               // [masks][MASK_WORDS]
@group(0) @binding(3) var<storage, read_write> candidates: array<vec2u>;  // [rows][tiles]

const MASK_WORDS: u32 = (VOCAB + 31u) / 32u;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup.y;
  let flags = rowFlags(row);
  if ((flags & (ROW_UNUSED | ROW_GIVEN)) != 0u) { return; }
  let masked = (flags & ROW_MASKED) != 0u;
  let temperature = bitcast<f32>(step[(row * ROW_WORDS) + 7u]);
  let key = noiseKey(step[(row * ROW_WORDS) + 5u], step[(row * ROW_WORDS) + 6u], rowPosition(row) + 1u);
  let first = workgroup.x * TILE;
  var best = vec2u(0u, 0xffffffffu);
  for (var id = first + lane; id < min(first + TILE, VOCAB); id += WG) {
    var value = logits[(row * VOCAB) + id];
    var candidate = isFinite(value);
    if (masked) { candidate = candidate && ((masks[(rowMask(row) * MASK_WORDS) + (id / 32u)] >> (id % 32u)) & 1u) == 1u; }
    if (candidate) {
      if (temperature > 0.0) { value += temperature * noise(key, id); }
      best = better(best, vec2u(orderKey(value), id));
    }
  }
  best = bestOf(lane, best);
  if (lane == 0u) { candidates[(row * grid.x) + workgroup.x] = best; }
}
