// embed: x[row] = table[token of row], bf16 to f32. A row whose token lies in another shard is left alone.
//
//   x      f32 [rows][WIDTH]        table  bf16 [count][WIDTH], the rows from params.first of the embedding
//   grid   (rows, 1, 1), rows beyond 65535 folded over y       workgroup (WG, 1, 1)
//   host   runtime/kernel/embed.go
//
//const WIDTH  hidden size, multiple of 8
//const WG     workgroup size
//use bf16 step

struct Params {
  first: u32, // token of the shard's first row
  count: u32, // rows in the shard
  rows: u32,  // rows of the batch
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: array<u32>;
@group(0) @binding(2) var<storage, read> table: array<vec4u>;      // [count][WIDTH/8]
@group(0) @binding(3) var<storage, read_write> x: array<vec4f>;    // [rows][WIDTH/4]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup.x + (workgroup.y * grid.x);
  if (row >= params.rows) { return; }
  let token = rowToken(row);
  if (token < params.first || token - params.first >= params.count) { return; }
  let source = (token - params.first) * (WIDTH / 8u);
  let first = row * (WIDTH / 4u);
  for (var i = lane; i < WIDTH / 8u; i += WG) {
    let w = table[source + i];
    x[first + (2u * i)] = vec4f(bf16Pair(w.x), bf16Pair(w.y));
    x[first + (2u * i) + 1u] = vec4f(bf16Pair(w.z), bf16Pair(w.w));
  }
}
