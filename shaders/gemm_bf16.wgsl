// gemm_bf16: out = x * W^T + bias, or out += that: a tile of rows by a tile of columns per workgroup.
//
//   x        f32 [rows][K]          w        bf16 [params.count][K], one shard of W: its rows params.first on
//   out      f32 [rows][STRIDE]     vectors  bf16, the biases of W's rows begin at element BIAS
//   grid     (count / (TX*4*QUADS), rows / (TY*TM), 1), rounded up; rows from chunk.n on are left alone
//   source   openai/gpt-oss torch/model.py Linear; accumulates in f32, in ascending order of k (or of 32 k: lib/tile_matrix.wgsl)
//   host     runtime/kernel/gemm_bf16.go
//
//const K        length of the products, multiple of 8
//const STRIDE   row length of out
//const HAS_BIAS 1 adds a bias
//const BIAS     first bias in vectors
//const RESIDUAL 1 adds to what out holds
//const TM       rows of an invocation
//const QUADS    groups of 4 columns of an invocation
//const A_LOADS  vec4f of the tile of rows that an invocation loads: SLOTS_A / WG, rounded up
//const B_LOADS  groups of 8 weights that an invocation loads: TILE_COLS*BK8 / WG, rounded up
//use bf16 tile

struct Params {
  first: u32, // row of W where the shard begins
  count: u32, // rows of the shard
}
struct Chunk { n: u32, } // rows

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> chunk: Chunk;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;          // [rows][K/4]
@group(0) @binding(3) var<storage, read> w: array<vec4u>;          // [count][K/8]
@group(0) @binding(4) var<storage, read> vectors: array<vec4u>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;    // [rows][STRIDE]

// loadA is vec4f s of the tile of rows at row r0 and element 4*k4; zeros outside.
fn loadA(r0: u32, k4: u32, s: u32) -> vec4f {
  let r = r0 + (s / BK4);
  let c = k4 + (s % BK4);
  if ((s < SLOTS_A) && (r < chunk.n) && (c < K / 4u)) { return x[(r * (K / 4u)) + c]; }
  return vec4f(0.0);
}

// loadB is the s-th group of 8 weights of the tile of columns at column c0 and element 4*k4; zeros outside.
fn loadB(c0: u32, k4: u32, s: u32) -> vec4u {
  let r = c0 + (s / BK8);
  let c = (k4 / 2u) + (s % BK8);
  if ((s < TILE_COLS * BK8) && (r < params.count) && (c < K / 8u)) { return w[(r * (K / 8u)) + c]; }
  return vec4u(0u);
}

fn store(row: u32, col: u32, sum: f32) {
  if ((row >= chunk.n) || (col >= params.count)) { return; }
  let c = params.first + col;
  let at = (row * STRIDE) + c;
  var v = sum;
  if (HAS_BIAS == 1u) { v += bf16Of(vectors[(BIAS + c) / 8u], BIAS + c); }
  if (RESIDUAL == 1u) { v += out[at]; }
  out[at] = v;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tx = lane % TX;
  let ty = lane / TX;
  let r0 = workgroup.y * TILE_ROWS;
  let c0 = workgroup.x * TILE_COLS;
  if ((r0 >= chunk.n) || (c0 >= params.count)) { return; }

  // The next tiles are fetched into registers while the present ones are multiplied.
  //unroll l A_LOADS
  var nextA$l = loadA(r0, 0u, lane + ($lu * WG));
  //end
  //unroll l B_LOADS
  var nextB$l = loadB(c0, 0u, lane + ($lu * WG));
  //end
  for (var k4 = 0u; k4 < K / 4u; k4 += BK4) {
    //unroll l A_LOADS
    storeA(lane + ($lu * WG), nextA$l);
    nextA$l = loadA(r0, k4 + BK4, lane + ($lu * WG));
    //end
    //unroll l B_LOADS
    storeB(lane + ($lu * WG), bf16Low(nextB$l), bf16High(nextB$l), 1.0);
    nextB$l = loadB(c0, k4 + BK4, lane + ($lu * WG));
    //end
    workgroupBarrier();
    multiplyTiles(tx, ty);
    workgroupBarrier();
  }

  //unroll i TM
  //unroll q QUADS
  //unroll j 4
  store(r0 + ty + ($iu * TY), c0 + tx + ((($qu * 4u) + $ju) * TX), acc$i_$q[$j]);
  //end
  //end
  //end
}
