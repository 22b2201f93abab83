// moe_down: y = h * W^T + bias of each assignment, W of its expert: a tile of assignments by a tile of columns.
//
//   lists    of sort_experts, with tiles of TY*TM assignments
//   h        f32 [rows*TOPK][K], by assignment
//   blocks   MXFP4 [params.count][WIDTH][K/32], one shard of the layer's: its experts params.first on; scales and bias bf16 of the
//            same experts
//   y        f32 [rows*TOPK][WIDTH], by assignment
//   grid     (WIDTH / (TX*4*QUADS) rounded up, tiles at most, 1); tiles that don't exist or belong to other shards are left alone
//   source   openai/gpt-oss torch/model.py MLPBlock; accumulates in f32, in ascending order of k (or of 32 k: lib/tile_matrix.wgsl)
//   host     runtime/kernel/moe_down.go
//
//const WIDTH    columns of y
//const TM       rows of an invocation
//const QUADS    groups of 4 columns of an invocation
//const A_LOADS  vec4f of the tile of rows that an invocation loads: SLOTS_A / WG, rounded up
//const B_LOADS  groups of 8 weights that an invocation loads: TILE_COLS*BK8 / WG, rounded up
//use bf16 mxfp4_tile

struct Params {
  first: u32, // expert of the shard
  count: u32, // experts of the shard
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> lists: array<u32>;
@group(0) @binding(2) var<storage, read> h: array<vec4f>;          // [rows*TOPK][K/4]
@group(0) @binding(3) var<storage, read> blocks: array<u32>;       // [count][WIDTH][K/8]
@group(0) @binding(4) var<storage, read> scales: array<u32>;       // [count][WIDTH][K/32] bytes
@group(0) @binding(5) var<storage, read> bias: array<vec4u>;       // [count][WIDTH/8]
@group(0) @binding(6) var<storage, read_write> y: array<f32>;      // [rows*TOPK][WIDTH]

fn loadA(at: u32, k4: u32) -> vec4f {
  if ((at == OUTSIDE) || (k4 >= K / 4u)) { return vec4f(0.0); }
  return h[at + k4];
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tx = lane % TX;
  let ty = lane / TX;
  if (workgroup.y >= lists[0]) { return; }
  let tile = LISTS_TILES + (workgroup.y * TILE_WORDS);
  let expert = lists[tile] - params.first; // of an expert before the shard: too large as well
  if (expert >= params.count) { return; }
  let sorted = LISTS_SORTED + lists[tile + 1u];
  let count = lists[tile + 2u];
  let c0 = workgroup.x * TILE_COLS;

  // The next tiles are fetched into registers while the present ones are multiplied.
  //unroll l A_LOADS
  let a$l = lane + ($lu * WG);
  var atA$l = OUTSIDE;
  if (a$l / BK4 < count) { atA$l = (lists[sorted + (a$l / BK4)] * (K / 4u)) + (a$l % BK4); }
  var nextA$l = loadA(atA$l, 0u);
  //end
  //unroll l B_LOADS
  let b$l = lane + ($lu * WG);
  let r$l = c0 + (b$l / BK8);
  let rowB$l = select(OUTSIDE, (expert * WIDTH) + r$l, (b$l / BK8 < TILE_COLS) && (r$l < WIDTH));
  var nextB$l = loadCodes(rowB$l, b$l, 0u);
  var scaleB$l = loadScale(rowB$l, 0u);
  //end
  for (var k4 = 0u; k4 < K / 4u; k4 += BK4) {
    //unroll l A_LOADS
    storeA(a$l, nextA$l);
    nextA$l = loadA(atA$l, k4 + BK4);
    //end
    //unroll l B_LOADS
    storeCodes(b$l, nextB$l, scaleB$l);
    nextB$l = loadCodes(rowB$l, b$l, k4 + BK4);
    scaleB$l = loadScale(rowB$l, k4 + BK4);
    //end
    workgroupBarrier();
    multiplyTiles(tx, ty);
    workgroupBarrier();
  }

  //unroll i TM
  if (ty + ($iu * TY) < count) {
    let to = lists[sorted + ty + ($iu * TY)] * WIDTH;
    //unroll q QUADS
    //unroll j 4
    let c$q_$j = c0 + tx + ((($qu * 4u) + $ju) * TX);
    if (c$q_$j < WIDTH) {
      let b = (expert * WIDTH) + c$q_$j;
      y[to + c$q_$j] = acc$i_$q[$j] + bf16Of(bias[b / 8u], b);
    }
    //end
    //end
  }
  //end
}
