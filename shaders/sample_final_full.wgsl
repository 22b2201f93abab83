// sample_final_full: the same as sample_final; the token is counted for the penalties of its row as well.
//
//   candidates  {key: u32, id: u32} [rows][TILES], of sample_partial_full
//   step, tokens  as sample_final
//   counts      u16 [rows][VOCAB, made even], of rows with PARAM_COUNTED: that of the token grows by 1, up to 32767, unless it is one of the
//               ids without penalties
//   grid        (rows, 1, 1)
//   host        runtime/kernel/sample_full.go
//
//const VOCAB  ids
//const TILES  candidates of a row
//const RING   draws that are kept for the host
//const WG     workgroup size, power of two
//use step sample_params best

@group(0) @binding(0) var<storage, read> candidates: array<vec2u>;     // [rows][TILES]
@group(0) @binding(1) var<storage, read> params: array<u32>;           // [rows][PARAM_WORDS]
@group(0) @binding(2) var<storage, read_write> step: array<u32>;
@group(0) @binding(3) var<storage, read_write> tokens: array<u32>;     // [RING][rows]
@group(0) @binding(4) var<storage, read_write> counts: array<u32>;     // [rows][COUNT_WORDS], the lower id in the low half

const COUNT_WORDS: u32 = (VOCAB + 1u) / 2u;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup.x;
  var best = vec2u(0u, 0xffffffffu);
  for (var i = lane; i < TILES; i += WG) { best = better(best, candidates[(row * TILES) + i]); }
  best = bestOf(lane, best);
  let flags = rowFlags(row);
  if (lane == 0u && (flags & ROW_UNUSED) == 0u) {
    step[(row * ROW_WORDS) + 4u] = (flags & ~ROW_GIVEN) + ROW_DRAW;
    if ((flags & ROW_GIVEN) == 0u) {
      let token = select(0xffffffffu, best.y, best.x > 0u);
      step[row * ROW_WORDS] = token;
      step[(row * ROW_WORDS) + 1u] = rowPosition(row) + 1u;
      tokens[(((flags / ROW_DRAW) % RING) * grid.x) + row] = token;
      if ((paramFlags(row) & PARAM_COUNTED) != 0u && token < min(VOCAB, paramPenaltyVocab(row))) {
        let at = (row * COUNT_WORDS) + (token / 2u);
        let shift = 16u * (token % 2u);
        let word = counts[at];
        if (((word >> shift) & 0x7fffu) < 0x7fffu) { counts[at] = word + (1u << shift); }
      }
    }
  }
}
