// The edge of the candidates that a row's filters leave, {key, id}: the last of them in the order of lib/best.wgsl, larger keys first and
// the lower id on ties. {1, 0xffffffff} leaves all; no candidate has the key 0.
fn withinEdge(edge: vec2u, key: u32, id: u32) -> bool { return key > edge.x || (key == edge.x && id <= edge.y); }
