// sample_final: chooses each row's token from the candidates of its tiles, appends it to the row and notes it for the host.
//
//   candidates  {key: u32, id: u32} [rows][TILES], of sample_partial
//   step        the row's token is set and its position moves on by 1; a row with a given token only loses that flag; in both the count of
//               draws moves on; rows that are unused stay as they are
//   tokens      u32 [RING][rows]: the token of draw d since the host wrote the step is at d % RING; 0xffffffff where no logit was finite
//               (and allowed); that of a given one is not written
//   grid        (rows, 1, 1)
//   host        runtime/kernel/sample.go
//
//const WG     workgroup size, power of two
//use draw

@group(0) @binding(0) var<storage, read> candidates: array<vec2u>;     // [rows][TILES]
@group(0) @binding(1) var<storage, read_write> step: array<u32>;
@group(0) @binding(2) var<storage, read_write> tokens: array<u32>;     // [RING][rows]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let best = bestOfTiles(workgroup.x, lane);
  if (lane == 0u) { _ = endDraw(workgroup.x, grid.x, best); }
}
