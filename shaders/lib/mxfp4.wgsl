// MXFP4: 32 weights of 4 bits, sign and E2M1, with one E8M0 scale. A word holds 8 weights, the first in the lowest bits; a block is
// a vec4u.
//
// A code s.ee.m placed in a half as s000eem000000000 is that half's value code * 2^-14, the codes +-0.5 as subnormal halves.
// unpack2x16float turns them into f32 exactly. The factor 2^14 is part of the scale, which multiplies a sum over the block once.
// (The trick is that of openai/gpt-oss metal/source/moematmul.metal.) A multiplication moves codes k and k+4 of a word to bits 9 to 12
// of the two halves; adding 7 in bits 12 to 14 carries the sign from bit 12 to bit 15.

const MXFP4_HALVES: u32 = 0x8e008e00u;

fn mxfp4Halves(code: u32, factor: u32) -> vec2f {
  return unpack2x16float(((code * factor) + 0x70007000u) & MXFP4_HALVES);
}

// The eight weights of a word, times 2^-14.
struct MXFP4 {
  low: vec4f,  // elements 0 to 3
  high: vec4f, // elements 4 to 7
}

fn mxfp4(w: u32) -> MXFP4 {
  let a = mxfp4Halves(w & 0x000f000fu, 512u);
  let b = mxfp4Halves(w & 0x00f000f0u, 32u);
  let c = mxfp4Halves(w & 0x0f000f00u, 2u);
  let d = unpack2x16float((w & 0x80008000u) | ((w >> 3u) & 0x0e000e00u));
  return MXFP4(vec4f(a.x, b.x, c.x, d.x), vec4f(a.y, b.y, c.y, d.y));
}

// The factor of a block, 2^(byte - 127), times 2^14. Exact for bytes up to 240; larger ones, of weights beyond 2^113, count as 240.
fn mxfp4Scale(byte: u32) -> f32 { return bitcast<f32>((min(byte, 240u) + 14u) << 23u); }

// Byte i of an array of bytes, given the word that holds it: word = array[i / 4].
fn mxfp4ScaleByte(word: u32, i: u32) -> u32 { return (word >> ((i & 3u) * 8u)) & 0xffu; }

// Eight weights with their activations, times 2^-14.
fn mxfp4Times(weights: MXFP4, low: vec4f, high: vec4f) -> f32 { return dot(weights.low, low) + dot(weights.high, high); }

// The same of the weights in a word.
fn mxfp4Dot(w: u32, low: vec4f, high: vec4f) -> f32 { return mxfp4Times(mxfp4(w), low, high); }
