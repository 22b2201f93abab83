// tile: the inner product of a workgroup's tile of rows with its tile of columns, 16 steps of k at a time.
//
// WG invocations compute (TY*TM) x (TX*4*QUADS) sums. Invocation (tx, ty) has rows ty + TY*i and columns tx + TX*j; sum
// (i, j) is component j%4 of acc<i>_<j/4>. Both tiles are [row or column][4] of vec4f along k, so that neither is transposed on
// its way in; the slot of a vec4f is exchanged with a neighbour's (swizzle), so that 8 neighbouring rows lie in different
// banks. TX and TY are multiples of 8, so that the swizzle is the same for all rows, or columns, of an invocation.
//
//const WG     invocations: TX*TY
//const TX     invocations across columns, multiple of 8
//const TY     invocations across rows, multiple of 8
//const TM     rows of an invocation
//const QUADS  groups of 4 columns of an invocation

const BK4: u32 = 4u; // vec4f of k in a tile
const BK8: u32 = BK4 / 2u;
const TILE_ROWS: u32 = TY * TM;
const TILE_COLS: u32 = TX * 4u * QUADS;
const SLOTS_A: u32 = TILE_ROWS * BK4;
const SLOTS_B: u32 = TILE_COLS * BK4;

var<workgroup> tileA: array<vec4f, SLOTS_A>; // [TILE_ROWS][BK4], see tileSlot
var<workgroup> tileB: array<vec4f, SLOTS_B>; // [TILE_COLS][BK4]

//unroll i TM
//unroll q QUADS
var<private> acc$i_$q: vec4f = vec4f(0.0);
//end
//end

// tileSlot is where vec4f c of row r of a tile lies.
fn tileSlot(r: u32, c: u32) -> u32 { return (r * BK4) + (c ^ ((r >> 1u) & 3u)); }

// multiplyTiles adds the products of 16 steps of k, in order, to the sums.
fn multiplyTiles(tx: u32, ty: u32) {
  let swizzleA = (ty >> 1u) & 3u;
  let swizzleB = (tx >> 1u) & 3u;
  //unroll c 4
  {
    let a = (ty * BK4) + ($cu ^ swizzleA);
    let b = (tx * BK4) + ($cu ^ swizzleB);
    //unroll q QUADS
    let b0_$q = tileB[b + (($qu * 4u) * TX * BK4)];
    let b1_$q = tileB[b + (($qu * 4u + 1u) * TX * BK4)];
    let b2_$q = tileB[b + (($qu * 4u + 2u) * TX * BK4)];
    let b3_$q = tileB[b + (($qu * 4u + 3u) * TX * BK4)];
    //end
    //unroll i TM
    let a$i = tileA[a + ($iu * TY * BK4)];
    //unroll q QUADS
    acc$i_$q = fma(vec4f(a$i.x), vec4f(b0_$q.x, b1_$q.x, b2_$q.x, b3_$q.x), acc$i_$q);
    acc$i_$q = fma(vec4f(a$i.y), vec4f(b0_$q.y, b1_$q.y, b2_$q.y, b3_$q.y), acc$i_$q);
    acc$i_$q = fma(vec4f(a$i.z), vec4f(b0_$q.z, b1_$q.z, b2_$q.z, b3_$q.z), acc$i_$q);
    acc$i_$q = fma(vec4f(a$i.w), vec4f(b0_$q.w, b1_$q.w, b2_$q.w, b3_$q.w), acc$i_$q);
    //end
    //end
  }
  //end
}

// storeA puts the s-th vec4f of the tile of rows, counted along k first, in its place.
fn storeA(s: u32, v: vec4f) {
  if (s < SLOTS_A) { tileA[tileSlot(s / BK4, s % BK4)] = v; }
}

// storeB puts the s-th group of 8 values of the tile of columns, counted along k first, in its place: elements 0 to 3
// and 4 to 7, times scale.
fn storeB(s: u32, low: vec4f, high: vec4f, scale: f32) {
  if (s < TILE_COLS * BK8) {
    let c = (s % BK8) * 2u;
    tileB[tileSlot(s / BK8, c)] = low * scale;
    tileB[tileSlot(s / BK8, c + 1u)] = high * scale;
  }
}
