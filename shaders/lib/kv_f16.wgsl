// Keys and values stored as f16 in pairs: KV2 holds two consecutive elements, KV8 eight.
alias KV2 = u32;
alias KV8 = vec4u;

const F16_MAX: vec2f = vec2f(65504.0, 65504.0);

// Values beyond the range of f16 become its largest: WGSL leaves open what pack2x16float makes of them.
fn kvStore(v: vec2f) -> KV2 { return pack2x16float(clamp(v, -F16_MAX, F16_MAX)); }
fn kvLow(v: KV8) -> vec4f { return vec4f(unpack2x16float(v.x), unpack2x16float(v.y)); }  // elements 0..3
fn kvHigh(v: KV8) -> vec4f { return vec4f(unpack2x16float(v.z), unpack2x16float(v.w)); } // elements 4..7
