// Keys and values stored as f32: KV2 holds two consecutive elements, KV8 eight.
alias KV2 = vec2f;
struct KV8 { low: vec4f, high: vec4f, }

fn kvStore(v: vec2f) -> KV2 { return v; }
fn kvLow(v: KV8) -> vec4f { return v.low; }   // elements 0..3
fn kvHigh(v: KV8) -> vec4f { return v.high; } // elements 4..7
