// The order in which activations are stored that meet MXFP4 weights: [8][blocks] vec4f, the first four elements of each block of 32,
// then the next four of each. Lanes that take neighbouring blocks then load neighbouring vec4f.

// Where element i is, in an array of 32 * blocks.
fn blocksPlace(i: u32, blocks: u32) -> u32 {
  return (((((i / 4u) & 7u) * blocks) + (i / 32u)) * 4u) + (i & 3u);
}
