// MXFP4: 32 weights of 4 bits, sign and E2M1, with one E8M0 scale. A word holds 8 weights, the first in the lowest bits; a block is
// a vec4u.
//
// A code s.ee.m placed in the high byte of a half as s000eem0 is that half's value code * 2^-14, the codes +-0.5 as subnormal halves.
// unpack2x16float turns them into f32 exactly. The factor 2^14 is part of the scale, which multiplies a sum over the block once.
// (The trick is that of openai/gpt-oss metal/source/moematmul.metal.)
//
//use interleave

const MXFP4_BYTES: u32 = 0xff00ff00u;

// Elements 0, 2, 4, 6 of the eight in w, times 2^-14; compare evens().
fn mxfp4Even(w: u32) -> vec4f {
  let h = (((w << 1u) & 0x1e1e1e1eu) + 0x70707070u) & 0x8e8e8e8eu;
  let a = unpack2x16float((h << 8u) & MXFP4_BYTES);
  let b = unpack2x16float(h & MXFP4_BYTES);
  return vec4f(a.x, b.x, a.y, b.y);
}

// Elements 1, 3, 5, 7 of the eight in w, times 2^-14; compare odds().
fn mxfp4Odd(w: u32) -> vec4f {
  let h = (((w >> 3u) & 0x1e1e1e1eu) + 0x70707070u) & 0x8e8e8e8eu;
  let a = unpack2x16float((h << 8u) & MXFP4_BYTES);
  let b = unpack2x16float(h & MXFP4_BYTES);
  return vec4f(a.x, b.x, a.y, b.y);
}

// The factor of a block, 2^(byte - 127), times 2^14. Exact for bytes up to 240; larger ones, of weights beyond 2^113, count as 240.
fn mxfp4Scale(byte: u32) -> f32 { return bitcast<f32>((min(byte, 240u) + 14u) << 23u); }

// Byte i of an array of bytes, given the word that holds it: word = array[i / 4].
fn mxfp4ScaleByte(word: u32, i: u32) -> u32 { return (word >> ((i & 3u) * 8u)) & 0xffu; }

// Eight weights, times 2^-14, with their activations in the arrangement of evens() and odds().
fn mxfp4Dot(w: u32, even: vec4f, odd: vec4f) -> f32 { return dot(mxfp4Even(w), even) + dot(mxfp4Odd(w), odd); }
