// combine_rows: adds the outputs of each row's experts to the residual, weighted.
//
//   sel      {expert: u32, weight: f32} [rows][TOPK]
//   y        f32 [rows*TOPK][WIDTH]: the output of each assignment
//   x        f32 [rows][WIDTH]; summed in the order of the choices, then added; unused rows are left alone
//   grid     (WIDTH/4 / WG rounded up, rows, 1)    workgroup (WG, 1, 1)
//   source   openai/gpt-oss torch/model.py MLPBlock.forward: the weighted sum over experts, and the residual
//   host     runtime/kernel/combine_rows.go
//
//const WIDTH  row length, multiple of 4
//const TOPK   experts of a row
//const WG     workgroup size
//use step

struct Choice { expert: u32, weight: f32, }

@group(0) @binding(0) var<storage, read> step: array<u32>;
@group(0) @binding(1) var<storage, read> sel: array<Choice>;      // [rows][TOPK]
@group(0) @binding(2) var<storage, read> y: array<vec4f>;         // [rows][TOPK][WIDTH/4]
@group(0) @binding(3) var<storage, read_write> x: array<vec4f>;   // [rows][WIDTH/4]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.y;
  let c = id.x;
  if ((rowFlags(row) & ROW_UNUSED) != 0u || c >= WIDTH / 4u) { return; }
  var sum = vec4f(0.0);
  for (var k = 0u; k < TOPK; k++) {
    let a = (row * TOPK) + k;
    sum += sel[a].weight * y[(a * (WIDTH / 4u)) + c];
  }
  x[(row * (WIDTH / 4u)) + c] += sum;
}
