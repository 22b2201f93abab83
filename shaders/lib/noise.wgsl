// Gumbel noise of (seed, position, id), the law of runtime/sample/noise.go.

fn noiseMix(v: u32) -> u32 {
  var x = v;
  x ^= x >> 16u;
  x *= 0x7feb352du;
  x ^= x >> 15u;
  x *= 0x846ca68bu;
  x ^= x >> 16u;
  return x;
}

// What the noise of all ids at one position of one seed has in common.
fn noiseKey(seedLow: u32, seedHigh: u32, position: u32) -> u32 {
  return noiseMix(noiseMix(noiseMix(seedHigh ^ 0x9e3779b9u) ^ seedLow) ^ position);
}

// Standard Gumbel noise of one id.
fn noise(key: u32, id: u32) -> f32 {
  let h = noiseMix(key ^ id);
  var v = (f32(h >> 9u) + 0.5) * 0x1p-23f;
  if (h < 0x800000u) { v = (f32(h) + 0.5) * 0x1p-32f; }
  // -log(1 - v): near 1 log is too coarse, and those values decide.
  var e = v * (1.0 + (v * (0.5 + (v * (0.33333334 + (v * (0.25 + (v * 0.2))))))));
  if (v >= 0.0625) { e = -log(1.0 - v); }
  return -log(e);
}
