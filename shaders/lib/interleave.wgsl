// Eight consecutive values a, b arranged as the decoder of bf16 delivers eight weights: even elements, then odd ones.
// The rearrangement costs nothing in registers and is done once per activation, not once per weight.
fn evens(a: vec4f, b: vec4f) -> vec4f { return vec4f(a.x, a.z, b.x, b.z); }
fn odds(a: vec4f, b: vec4f) -> vec4f { return vec4f(a.y, a.w, b.y, b.w); }
