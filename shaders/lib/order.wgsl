// A float as an unsigned integer of the same order, so that comparisons don't depend on what a compiler assumes of NaN and
// infinities: 0 for NaN, then -infinity, ..., both zeros, ..., infinity.
fn orderKey(v: f32) -> u32 {
  let bits = bitcast<u32>(v);
  let magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) { return 0u; }
  if (magnitude == 0u) { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, bits > 0x80000000u);
}

fn isFinite(v: f32) -> bool { return (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u; }

// The finite float that has a key; both zeros have one key, which is that of 0.
fn orderValue(key: u32) -> f32 { return bitcast<f32>(select(~key, key & 0x7fffffffu, key >= 0x80000000u)); }
