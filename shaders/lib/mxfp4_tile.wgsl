// What the products over experts have in common: a tile of weights is decoded on its way to workgroup memory, 8 at a time.
// The kernel declares lists, blocks and scales.
//
//use lists mxfp4 tile
//const K  length of the products, multiple of 32

const OUTSIDE: u32 = 0xffffffffu; // in place of an index: beyond the tile, all zeros

// loadCodes is the s-th group of 8 weights, counted along k first, of a row of blocks at element 4*k4.
fn loadCodes(row: u32, s: u32, k4: u32) -> u32 {
  if ((row == OUTSIDE) || (k4 >= K / 4u)) { return 0u; }
  return blocks[(row * (K / 8u)) + (k4 / 2u) + (s % BK8)];
}

// loadScale is the factor of the block at element 4*k4 of a row.
fn loadScale(row: u32, k4: u32) -> f32 {
  if ((row == OUTSIDE) || (k4 >= K / 4u)) { return 0.0; }
  let at = (row * (K / 32u)) + (k4 / 8u);
  return mxfp4Scale(mxfp4ScaleByte(scales[at / 4u], at));
}

// storeCodes decodes the s-th group of 8 weights of the tile of columns into its place.
fn storeCodes(s: u32, codes: u32, scale: f32) {
  let weights = mxfp4(codes);
  storeB(s, weights.low, weights.high, scale);
}
