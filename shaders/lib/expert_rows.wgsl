// OUTPUTS weight rows of an expert, times the inputs of all assignments to it. The kernel declares lists, blocks, scales,
// inputs: array<vec4f> in the order of lib/blocks.wgsl, and finish(lane, firstRow, assignment), which takes an assignment's OUTPUTS sums from
// lib/sums.wgsl.
//
// Lane l takes blocks l, l+WG, ... of 32 inputs. It decodes a block once for two assignments, half a block of all weight rows after the
// other, so that few registers hold inputs. Where a lane has one block it keeps its codes, and the weights are read once for all
// assignments; otherwise they are read again for every two, from a cache.
//
// An assignment's sum is formed as in gate_up_decode: a block's four words pairwise, then the blocks of a lane in order, then the lanes
// by lib/sums.wgsl. So it does not depend on the assignments beside it.
//
//const K        inputs, multiple of 32
//const SHARE    assignments that have the same inputs
//const OUTPUTS  weight rows of a workgroup
//const WG       workgroup size
//use mxfp4 lists sums

const BLOCKS: u32 = K / 32u;
const SUMS: u32 = OUTPUTS;

// The weight rows are firstRow, firstRow+1, ..., where there are none after lastRow that again; the assignments are the words
// first to first+count-1 of lists.
fn expertRows(lane: u32, firstRow: u32, lastRow: u32, first: u32, count: u32) {
//unroll o OUTPUTS
  let row_$o = min(firstRow + $ou, lastRow) * BLOCKS;
  var w_$o = vec4u(0u);
  var scale_$o = 0.0;
//end
  for (var n = 0u; n < count; n += 2u) {
    let two = n + 1u < count; // otherwise there is no second
    let a_0 = lists[first + n];
    let a_1 = lists[first + select(n, n + 1u, two)];
//unroll r 2
//unroll o OUTPUTS
    var sum_$r_$o = 0.0;
//end
//end
    for (var b = lane; b < BLOCKS; b += WG) {
      if (n == 0u || BLOCKS > WG) {
//unroll o OUTPUTS
        w_$o = blocks[row_$o + b];
        scale_$o = mxfp4Scale(mxfp4ScaleByte(scales[(row_$o + b) / 4u], row_$o + b));
//end
      }
//unroll r 2
      let at_$r = ((a_$r / SHARE) * (K / 4u)) + b;
//unroll o OUTPUTS
      var half_$r_0_$o = 0.0; // of words 0 and 1
      var half_$r_1_$o = 0.0;
//end
//end
//unroll j 2
//unroll i 4
      let in_0_$j_$i = inputs[at_0 + (((4u * $ju) + $iu) * BLOCKS)];
//end
      if (two) {
//unroll i 4
        let in_1_$j_$i = inputs[at_1 + (((4u * $ju) + $iu) * BLOCKS)];
//end
//unroll o OUTPUTS
        {
          let low = mxfp4(w_$o[2u * $ju]);
          let high = mxfp4(w_$o[(2u * $ju) + 1u]);
//unroll r 2
          half_$r_$j_$o = mxfp4Times(low, in_$r_$j_0, in_$r_$j_1) + mxfp4Times(high, in_$r_$j_2, in_$r_$j_3);
//end
        }
//end
      } else {
//unroll o OUTPUTS
        half_0_$j_$o = mxfp4Dot(w_$o[2u * $ju], in_0_$j_0, in_0_$j_1) + mxfp4Dot(w_$o[(2u * $ju) + 1u], in_0_$j_2, in_0_$j_3);
//end
      }
//end
//unroll r 2
//unroll o OUTPUTS
      sum_$r_$o += scale_$o * (half_$r_0_$o + half_$r_1_$o);
//end
//end
    }
//unroll r 2
    if (n + $ru < count) {
//unroll o OUTPUTS
      sumsPut($ou, lane, sum_$r_$o);
//end
      sumsJoin(lane);
      finish(lane, firstRow, a_$r);
    }
//end
  }
}
