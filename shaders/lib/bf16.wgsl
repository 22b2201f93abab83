// bf16 to f32: the upper half of an f32's bits, so exact and one operation each.
//
//use interleave

// Elements 0, 2, 4, 6 of eight bf16 values; compare evens().
fn bf16Even(w: vec4u) -> vec4f { return bitcast<vec4f>(w << vec4u(16u)); }

// Elements 1, 3, 5, 7 of eight bf16 values; compare odds().
fn bf16Odd(w: vec4u) -> vec4f { return bitcast<vec4f>(w & vec4u(0xffff0000u)); }

// Both elements of a word.
fn bf16Pair(w: u32) -> vec2f { return vec2f(bitcast<f32>(w << 16u), bitcast<f32>(w & 0xffff0000u)); }

// Elements 0 to 3, and 4 to 7, of eight.
fn bf16Low(w: vec4u) -> vec4f { return vec4f(bf16Pair(w.x), bf16Pair(w.y)); }
fn bf16High(w: vec4u) -> vec4f { return vec4f(bf16Pair(w.z), bf16Pair(w.w)); }

// Element i of an array of eight in each vec4u, given the vec4u that holds it: w = array[i / 8].
fn bf16Of(w: vec4u, i: u32) -> f32 {
  let word = w[(i >> 1u) & 3u];
  return bitcast<f32>(select(word << 16u, word & 0xffff0000u, (i & 1u) == 1u));
}
