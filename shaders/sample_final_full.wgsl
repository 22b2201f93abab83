// sample_final_full: the same as sample_final; the token is counted for the penalties of its row as well.
//
//   candidates  {key: u32, id: u32} [rows][TILES], of sample_partial_full
//   step        the row's token is set and its position moves on by 1; rows that are unused or given stay as they are
//   tokens      u32 [rows][RING]: the token of position p is at p % RING; 0xffffffff where no logit was finite (and allowed)
//   counts      u16 [rows][VOCAB, made even], of rows with PARAM_COUNTED: that of the token grows by 1, up to 32767, unless it is one of the
//               ids without penalties
//   grid        (rows, 1, 1)
//   host        runtime/kernel/sample_full.go
//
//const VOCAB  ids
//const TILES  candidates of a row
//const RING   tokens that a row keeps for the host
//const WG     workgroup size, power of two
//use step sample_params best

@group(0) @binding(0) var<storage, read> candidates: array<vec2u>;     // [rows][TILES]
@group(0) @binding(1) var<storage, read> params: array<u32>;           // [rows][PARAM_WORDS]
@group(0) @binding(2) var<storage, read_write> step: array<u32>;
@group(0) @binding(3) var<storage, read_write> tokens: array<u32>;     // [rows][RING]
@group(0) @binding(4) var<storage, read_write> counts: array<u32>;     // [rows][COUNT_WORDS], the lower id in the low half

const COUNT_WORDS: u32 = (VOCAB + 1u) / 2u;

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
    if ((paramFlags(row) & PARAM_COUNTED) != 0u && token < min(VOCAB, paramPenaltyVocab(row))) {
      let at = (row * COUNT_WORDS) + (token / 2u);
      let shift = 16u * (token % 2u);
      let word = counts[at];
      if (((word >> shift) & 0x7fffu) < 0x7fffu) { counts[at] = word + (1u << shift); }
    }
  }
}
