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
//const WG     workgroup size, power of two
//use draw sample_params

@group(0) @binding(0) var<storage, read> candidates: array<vec2u>;     // [rows][TILES]
@group(0) @binding(1) var<storage, read> params: array<u32>;           // [rows][PARAM_WORDS]
@group(0) @binding(2) var<storage, read_write> step: array<u32>;
@group(0) @binding(3) var<storage, read_write> tokens: array<u32>;     // [RING][rows]
@group(0) @binding(4) var<storage, read_write> counts: array<u32>;     // [rows][COUNT_WORDS], the lower id in the low half

const COUNT_WORDS: u32 = (VOCAB + 1u) / 2u;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup.x;
  let best = bestOfTiles(row, lane);
  if (lane > 0u) { return; }
  let token = endDraw(row, grid.x, best);
  if ((paramFlags(row) & PARAM_COUNTED) != 0u && token < min(VOCAB, paramPenaltyVocab(row))) {
    let at = (row * COUNT_WORDS) + (token / 2u);
    let shift = 16u * (token % 2u);
    let word = counts[at];
    if (((word >> shift) & 0x7fffu) < 0x7fffu) { counts[at] = word + (1u << shift); }
  }
}
