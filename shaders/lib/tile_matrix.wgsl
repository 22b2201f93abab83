// tile_matrix: lib/tile.wgsl by the matrices that subgroups multiply, 32 steps of k at a time.
//
// Their factors are f16. An activation is two of them (lib/halves.wgsl), a weight is one, times 2^UNIT: MXFP4's codes are exact, and so are
// bf16's values from 2^-17/2^UNIT to 65504/2^UNIT. The products of 32 steps are added up in f32 by the matrices; the columns' scales multiply
// these sums, which are then added in ascending order.
//
// WG invocations, LANES of them a subgroup in order, compute as many sums as they do in lib/tile.wgsl, a quad of columns after the other: of the
// TILE_ROWS x (4*TX) sums of a quad, a subgroup has MATRIX_ROWS x MATRIX_COLS matrices. They pass through workgroup memory to the
// invocations that hold them by lib/tile.wgsl's order.
//
//use halves
//const WG     invocations: TX*TY
//const TX     invocations across columns
//const TY     invocations across rows
//const TM     rows of an invocation
//const QUADS  groups of 4 columns of an invocation
//const UNIT   weights are multiplied by 2^UNIT
//const LOW    1: activations have their low terms; 0: they are rounded to f16
//const LANES        invocations of a subgroup
//const ACROSS       subgroups beside each other in a quad
//const MATRIX_M     rows of a matrix of sums
//const MATRIX_N     its columns
//const MATRIX_K     length of the products of a step
//const MATRIX_ROWS  matrices of a subgroup, one above the other
//const MATRIX_COLS  matrices of a subgroup, beside each other in a quad

const DEPTH: u32 = 32u;
const BK4: u32 = DEPTH / 4u; // vec4f of k in a tile
const BK8: u32 = DEPTH / 8u;
const TILE_ROWS: u32 = TY * TM;
const QUAD_COLS: u32 = TX * 4u;
const TILE_COLS: u32 = QUAD_COLS * QUADS;
const SLOTS_A: u32 = TILE_ROWS * BK4;
const PITCH: u32 = DEPTH + 8u; // of a row of a tile, so that neighbouring rows lie in different banks
const SIZE_A: u32 = TILE_ROWS * PITCH;
const SIZE_B: u32 = TILE_COLS * PITCH;
const SIZE_SUMS: u32 = TILE_ROWS * QUAD_COLS;
const WEIGHT: f32 = f32(1u << UNIT);

alias Rows = subgroup_matrix_left<f16, MATRIX_K, MATRIX_M>;
alias Columns = subgroup_matrix_right<f16, MATRIX_N, MATRIX_K>;
alias Sums = subgroup_matrix_result<f32, MATRIX_N, MATRIX_M>;

var<workgroup> highA: array<f16, SIZE_A>; // [TILE_ROWS][PITCH]
//unroll z LOW
var<workgroup> lowA: array<f16, SIZE_A>;
//end
var<workgroup> tileB: array<f16, SIZE_B>; // [TILE_COLS][PITCH]
var<workgroup> scalesB: array<f32, TILE_COLS>; // of the columns in this tile
var<workgroup> sums: array<f32, SIZE_SUMS>; // [TILE_ROWS][QUAD_COLS]

//unroll i TM
//unroll q QUADS
var<private> acc$i_$q: vec4f = vec4f(0.0);
//end
//end

// multiplyTiles adds the products of 32 steps of k to the sums.
fn multiplyTiles(tx: u32, ty: u32) {
  let subgroup = ((ty * TX) + tx) / LANES;
  let row = (subgroup / ACROSS) * (MATRIX_ROWS * MATRIX_M);
  let col = (subgroup % ACROSS) * (MATRIX_COLS * MATRIX_N);
  //unroll q QUADS
  {
    //unroll i MATRIX_ROWS
    //unroll j MATRIX_COLS
    var y$i_$j: Sums;
    //end
    //end
    //unroll z LOW
    for (var k = 0u; k < DEPTH; k += MATRIX_K) {
      //unroll j MATRIX_COLS
      let b$j = subgroupMatrixLoad<Columns, col_major>(&tileB, ((($qu * QUAD_COLS) + col + ($ju * MATRIX_N)) * PITCH) + k, PITCH);
      //end
      //unroll i MATRIX_ROWS
      let a$i = subgroupMatrixLoad<Rows, row_major>(&lowA, ((row + ($iu * MATRIX_M)) * PITCH) + k, PITCH);
      //unroll j MATRIX_COLS
      y$i_$j = subgroupMatrixMultiplyAccumulate(a$i, b$j, y$i_$j);
      //end
      //end
    }
    //unroll i MATRIX_ROWS
    //unroll j MATRIX_COLS
    y$i_$j = subgroupMatrixScalarMultiply(y$i_$j, 1.0 / LOW_FACTOR);
    //end
    //end
    //end
    for (var k = 0u; k < DEPTH; k += MATRIX_K) {
      //unroll j MATRIX_COLS
      let b$j = subgroupMatrixLoad<Columns, col_major>(&tileB, ((($qu * QUAD_COLS) + col + ($ju * MATRIX_N)) * PITCH) + k, PITCH);
      //end
      //unroll i MATRIX_ROWS
      let a$i = subgroupMatrixLoad<Rows, row_major>(&highA, ((row + ($iu * MATRIX_M)) * PITCH) + k, PITCH);
      //unroll j MATRIX_COLS
      y$i_$j = subgroupMatrixMultiplyAccumulate(a$i, b$j, y$i_$j);
      //end
      //end
    }
    if ($qu > 0u) { workgroupBarrier(); } // the sums of the quad before have been used
    //unroll i MATRIX_ROWS
    //unroll j MATRIX_COLS
    subgroupMatrixStore<row_major>(&sums, ((row + ($iu * MATRIX_M)) * QUAD_COLS) + col + ($ju * MATRIX_N), y$i_$j, QUAD_COLS);
    //end
    //end
    workgroupBarrier();
    let c = ($qu * QUAD_COLS) + tx;
    let scale = vec4f(scalesB[c], scalesB[c + TX], scalesB[c + (2u * TX)], scalesB[c + (3u * TX)]);
    //unroll i TM
    {
      let at = ((ty + ($iu * TY)) * QUAD_COLS) + tx;
      acc$i_$q = fma(vec4f(sums[at], sums[at + TX], sums[at + (2u * TX)], sums[at + (3u * TX)]), scale, acc$i_$q);
    }
    //end
  }
  //end
}

// storeA puts the s-th vec4f of the tile of rows, counted along k first, in its place.
fn storeA(s: u32, v: vec4f) {
  if (s < SLOTS_A) {
    let at = ((s / BK4) * PITCH) + ((s % BK4) * 4u);
    let high = half4(select(v, leading(v), LOW == 1u));
    //unroll j 4
    highA[at + $ju] = high[$j];
    //end
    //unroll z LOW
    let low = trailing(v);
    //unroll j 4
    lowA[at + $ju] = low[$j];
    //end
    //end
  }
}

// storeB puts the s-th group of 8 values of the tile of columns, counted along k first, in its place: elements 0 to 3 and 4 to 7, times scale,
// which is the same for all values of a column.
fn storeB(s: u32, low: vec4f, high: vec4f, scale: f32) {
  if (s < TILE_COLS * BK8) {
    let at = ((s / BK8) * PITCH) + ((s % BK8) * 8u);
    let first = half4(low * WEIGHT);
    let second = half4(high * WEIGHT);
    //unroll j 4
    tileB[at + $ju] = first[$j];
    tileB[at + 4u + $ju] = second[$j];
    //end
    if (s % BK8 == 0u) { scalesB[s / BK8] = scale / WEIGHT; }
  }
}
