// The end of a draw. The kernel declares candidates: array<vec2u> [rows][TILES], step and tokens: array<u32> [RING][rows].
//
//const TILES  candidates of a row
//const RING   draws that are kept for the host
//use step best

const NOTHING_DRAWN: u32 = 0xffffffffu;

// The best of a row's candidates, in lane 0. All lanes call it: it holds barriers.
fn bestOfTiles(row: u32, lane: u32) -> vec2u {
  var best = vec2u(0u, 0xffffffffu);
  for (var i = lane; i < TILES; i += WG) { best = better(best, candidates[(row * TILES) + i]); }
  return bestOf(lane, best);
}

// Gives a row of rows its token, notes it for the host and returns it: NOTHING_DRAWN without a candidate, and where the row is unused or has a
// given token, which counts as a draw but is nobody's news.
fn endDraw(row: u32, rows: u32, best: vec2u) -> u32 {
  let flags = rowFlags(row);
  if ((flags & ROW_UNUSED) != 0u) { return NOTHING_DRAWN; }
  step[(row * ROW_WORDS) + 4u] = (flags & ~ROW_GIVEN) + ROW_DRAW;
  if ((flags & ROW_GIVEN) != 0u) { return NOTHING_DRAWN; }
  let token = select(NOTHING_DRAWN, best.y, best.x > 0u);
  step[row * ROW_WORDS] = token;
  step[(row * ROW_WORDS) + 1u] = rowPosition(row) + 1u;
  tokens[(((flags / ROW_DRAW) % RING) * rows) + row] = token;
  return token;
}
