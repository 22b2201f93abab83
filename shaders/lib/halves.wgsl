// Numbers as one or two f16: high + low/2048, which together have 23 bits from 2^-14 to 65504 and 11 below. Larger ones count as 65504.

const HALF_MAX: vec4f = vec4f(65504.0, 65504.0, 65504.0, 65504.0);
const HALF_MIN: vec4f = vec4f(6.103515625e-5, 6.103515625e-5, 6.103515625e-5, 6.103515625e-5); // the least that has all bits
const LOW_FACTOR: f32 = 2048.0;

fn half4(v: vec4f) -> vec4<f16> { return vec4<f16>(clamp(v, -HALF_MAX, HALF_MAX)); }

// leading rounds to the 11 bits that f16 has, and what f16 has fewer bits for to zero. Compilers take the conversion to f16 and back for no
// operation, but not this.
fn leading(v: vec4f) -> vec4f {
  let bits = (bitcast<vec4u>(clamp(v, -HALF_MAX, HALF_MAX)) + vec4u(0x1000u)) & vec4u(0xffffe000u);
  return select(vec4f(0.0), bitcast<vec4f>(bits), abs(v) >= HALF_MIN);
}

fn trailing(v: vec4f) -> vec4<f16> { return half4((v - leading(v)) * LOW_FACTOR); }
