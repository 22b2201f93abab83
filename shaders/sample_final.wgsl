// sample_final: chooses each row's token from the candidates of its tiles, appends it to the row and notes it for the host.
//
//   candidates  {key: u32, id: u32} [rows][TILES], of sample_partial
//   step        the row's token is set and its position moves on by 1; rows that are unused or given stay as they are
//   tokens      u32 [rows][RING]: the token of position p is at p % RING; 0xffffffff where no logit was finite (and allowed)
//   grid        (rows, 1, 1)
//   host        runtime/kernel/sample.go
//
//const TILES  candidates of a row
//const RING   tokens that a row keeps for the host
//const WG     workgroup size, power of two
//use step best

@group(0) @binding(0) var<storage, read> candidates: array<vec2u>;     // [rows][TILES]
@group(0) @binding(1) var<storage, read_write> step: array<u32>;
@group(0) @binding(2) var<storage, read_write> tokens: array<u32>;     // [rows][RING]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup.x;
  var best = vec2u(0u, 0xffffffffu);
  for (var i = lane; i < TILES; i += WG) { best = better(best, candidates[(row * TILES) + i]); }
  best = bestOf(lane, best);
  if (lane == 0u && (rowFlags(row) & (ROW_UNUSED | ROW_GIVEN)) == 0u) {
    let token = select(0xffffffffu, best.y, best.x > 0u);
    let position = rowPosition(row) + 1u;
    step[row * ROW_WORDS] = token;
    step[(row * ROW_WORDS) + 1u] = position;
    tokens[(row * RING) + (position % RING)] = token;
  }
}
