// A row's experts, chosen and stored: {expert: u32, weight: f32} [rows][TOPK], the largest logit first, and their softmax. The kernel
// declares sel: array<Choice>.
//
//use topk
//const TOPK  experts that a row uses

struct Choice { expert: u32, weight: f32, }

// Stores what topkChoose has chosen; called in one lane.
fn choiceStore(row: u32) {
  var total = 0.0;
//unroll k TOPK
  total += exp(topkLogit[$k] - topkLogit[0]);
//end
//unroll k TOPK
  sel[(row * TOPK) + $ku] = Choice(topkExpert[$k], exp(topkLogit[$k] - topkLogit[0]) / total);
//end
}
