// logprobs: log probabilities of a row's ids, of the model itself: the softmax of its logits before bias, penalties, mask and temperature. Of
// the drawn token and of the TOP most likely ids, most likely first, the lower id on ties. It runs behind sample_final, or
// sample_final_full, and before the pass that overwrites the logits. Rows that are unused, or without PARAM_LOGPROBS, are left alone; of a row
// with a given token, which had no logits, what comes out means nothing.
//
//   logprobs  {id: u32, log probability: f32} [RING][rows][1 + TOP]: those of draw d since the host wrote the step are at d % RING; the token first,
//             whose log probability is -infinity if its logit isn't finite; unused places are {0xffffffff, -infinity}
//   logits    f32 [rows][VOCAB]; those that aren't finite have no probability and are not listed
//   list      scratch, u32 [rows][SLOTS][WG]
//   grid      (rows, 1, 1)
//   host      runtime/kernel/logprobs.go; the law is runtime/sample/transforms.go LogProbs
//
// The first pass finds the best id of each lane. The TOP best of all ids don't come after the TOP-th of these, as there are TOP that
// don't; the second pass adds up the probabilities and lists, lane by lane, the ids that don't: a few more than TOP as a rule. Then one place
// is filled after the other, with the best of those that come after the last one. The order of the sum is fixed: a lane adds BLOCK of
// its ids at a time, in order, then the blocks, then lib/reduce.wgsl adds the lanes.
//
//const VOCAB  ids
//const RING   draws that are kept for the host
//const TOP    ids that are listed, at most WG
//const WG     workgroup size, power of two
//use step sample_params order edge best reduce

@group(0) @binding(0) var<storage, read> step: array<u32>;
@group(0) @binding(1) var<storage, read> params: array<u32>;            // [rows][PARAM_WORDS]
@group(0) @binding(2) var<storage, read> logits: array<f32>;            // [rows][VOCAB]
@group(0) @binding(3) var<storage, read_write> list: array<u32>;        // [rows][SLOTS][WG]
@group(0) @binding(4) var<storage, read_write> logprobs: array<vec2u>;  // [RING][rows][PAIRS]

const SLOTS: u32 = ((VOCAB + WG) - 1u) / WG; // ids of a lane: lane, lane + WG, ...
const PAIRS: u32 = TOP + 1u;
const BLOCK: u32 = 32u;
const REACH: f32 = 40.0; // what lies further below the largest logit is nothing beside it
const NONE: vec2u = vec2u(0xffffffffu, 0xff800000u);

var<workgroup> bestOfLane: array<vec2u, WG>;
var<workgroup> firsts: array<vec2u, TOP>; // the first of them

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup.x;
  if ((rowFlags(row) & ROW_UNUSED) != 0u || (paramFlags(row) & PARAM_LOGPROBS) == 0u) { return; }

  var best = vec2u(0u, 0xffffffffu);
  for (var id = lane; id < VOCAB; id += WG) { best = better(best, vec2u(keyOf(row, id), id)); }
  bestOfLane[lane] = best;
  if (lane < TOP) { firsts[lane] = vec2u(0u, 0xffffffffu); }
  workgroupBarrier();
  var rank = 0u;
  for (var i = 0u; i < WG; i++) {
    let other = bestOfLane[i];
    rank += select(0u, 1u, other.x > best.x || (other.x == best.x && other.y < best.y));
  }
  if (rank < TOP && best.x > 0u) { firsts[rank] = best; }
  workgroupBarrier();
  let largest = firsts[0].x;
  let top = orderValue(max(largest, 0x00800000u)); // at least the lowest finite value, where no logit is finite
  let edge = max(firsts[TOP - 1u], vec2u(1u, 0u)); // {1, 0xffffffff}: all, if fewer than TOP lanes have an id

  var sum = 0.0;
  var block = 0.0;
  var n = 0u;
  for (var i = 0u; i < SLOTS; i++) {
    if ((i % BLOCK) == 0u) {
      sum += block;
      block = 0.0;
    }
    let id = (i * WG) + lane;
    if (id >= VOCAB) { break; }
    let key = keyOf(row, id);
    let below = top - orderValue(max(key, 0x00800000u));
    if (key > 0u && below < REACH) { block += exp(-below); }
    if (withinEdge(edge, key, id)) {
      list[(((row * SLOTS) + n) * WG) + lane] = id;
      n++;
    }
  }
  let norm = top + log(reduceSum(lane, sum + block));

  let draw = (rowFlags(row) / ROW_DRAW) - 1u; // the sampling before has counted it
  let out = (((draw % RING) * grid.x) + row) * PAIRS;
  if (lane == 0u) {
    let token = rowToken(row);
    var pair = vec2u(token, NONE.y);
    if (token < VOCAB) {
      let key = keyOf(row, token);
      if (key > 0u) { pair.y = bitcast<u32>(orderValue(key) - norm); }
    }
    logprobs[out] = pair;
  }
  var last = vec2u(0xffffffffu, 0u);
  for (var place = 1u; place <= TOP; place++) {
    var next = vec2u(0u, 0xffffffffu);
    for (var i = 0u; i < n; i++) {
      let id = list[(((row * SLOTS) + i) * WG) + lane];
      let key = keyOf(row, id);
      if (key < last.x || (key == last.x && id > last.y)) { next = better(next, vec2u(key, id)); }
    }
    last = bestOf(lane, next);
    workgroupBarrier(); // all have read it
    if (lane == 0u) {
      var pair = NONE;
      if (last.x > 0u) { pair = vec2u(last.y, bitcast<u32>(orderValue(last.x) - norm)); }
      logprobs[out + place] = pair;
    }
  }
}

// The order key of an id's logit, 0 if it isn't finite.
fn keyOf(row: u32, id: u32) -> u32 {
  let value = logits[(row * VOCAB) + id];
  return select(0u, orderKey(value), isFinite(value));
}
