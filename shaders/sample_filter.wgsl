// sample_filter: the edge of the candidates that top_k, then top_p, then min_p leave of a row, as runtime/sample/transforms.go defines them.
// Candidates are in order of their keys, the lower id first on ties; none lies more than REACH temperatures below the best.
//
//   top_k  the first k
//   top_p  the fewest of the first of these that have together at least the mass p * (the mass of these); an id has the mass
//          exp((value - the best value) / temperature)
//   min_p  of these the ones with (value - the best value) / temperature >= log(min_p)
//
//   edges       {key: u32, id: u32} [rows]: the last candidate that is left (lib/edge.wgsl). Without filters, and below MIN_TEMPERATURE,
//               where the choice is greedy, all are left
//   keys        u32 [rows][VOCAB], of sample_adjust; 0 is no candidate
//   candidates  {key: u32, id: u32} [rows][TILES], of sample_adjust: the best of each tile
//   list        scratch, u32 [rows][SLOTS][WG]
//   grid        (rows, 1, 1)
//   host        runtime/kernel/sample_full.go
//
// top_k and top_p are searched in two legs, by key and then by id among the ids that have the key found. A round of a leg cuts the
// range where the edge lies in four, adds up the weights above each cut, and keeps the highest part that reaches the target: 16 rounds
// end any range of 32 bits. The first round cuts by distances from the best, because the keys of a model's logits lie close to each other: what
// it leaves is a small part of the vocabulary as a rule. From the second on a lane lists its ids in the range, and the later rounds read
// only these.
//
// The order of sums is fixed: a lane adds BLOCK of its ids at a time, in order, then the blocks, then lib/sums.wgsl adds the lanes. For
// 201,088 ids a weight meets at most 100 roundings. Counts are exact up to 2^24.
//
//const VOCAB  ids
//const TILES  candidates of a row
//const WG     workgroup size, power of two, multiple of 32
//use step sample_params order edge best sums

@group(0) @binding(0) var<storage, read> step: array<u32>;
@group(0) @binding(1) var<storage, read> params: array<u32>;         // [rows][PARAM_WORDS]
@group(0) @binding(2) var<storage, read> keys: array<u32>;           // [rows][VOCAB]
@group(0) @binding(3) var<storage, read> candidates: array<vec2u>;   // [rows][TILES]
@group(0) @binding(4) var<storage, read_write> list: array<u32>;     // [rows][SLOTS][WG]
@group(0) @binding(5) var<storage, read_write> edges: array<vec2u>;  // [rows]

const SLOTS: u32 = ((VOCAB + WG) - 1u) / WG; // ids of a lane: lane, lane + WG, ...
const SUMS: u32 = 4u;
const BLOCK: u32 = 32u;
const KEY_ROUNDS: u32 = 17u; // 1 by distance, 16 for 32 bits
const ID_ROUNDS: u32 = 12u;  // ids of 24 bits
const REACH: f32 = 40.0;
const MIN_TEMPERATURE: f32 = 1e-4;
const LEAST: f32 = 1e-20;    // more than nothing and less than any weight, so that a goal is never reached without an id

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup.x;
  if ((rowFlags(row) & (ROW_UNUSED | ROW_GIVEN)) != 0u) { return; }
  let temperature = bitcast<f32>(step[(row * ROW_WORDS) + 7u]);
  let topP = paramTopP(row);
  let logMinP = paramLogMinP(row);
  let warm = temperature >= MIN_TEMPERATURE;
  let byCount = warm && paramTopK(row) > 0u;
  let byMass = warm && topP > 0.0 && topP < 1.0;
  let byRatio = warm && logMinP > -REACH;

  var best = vec2u(0u, 0xffffffffu);
  for (var i = lane; i < TILES; i += WG) { best = better(best, candidates[(row * TILES) + i]); }
  best = bestOf(lane, best);
  let top = orderValue(max(best.x, 0x00800000u)); // at least the lowest finite value, where there is no candidate

  var edge = vec2u(1u, 0xffffffffu);
  if (byCount || byMass || byRatio) { edge.x = max(1u, orderKey(top - (REACH * temperature))); }

  var found = 0u;   // the key of the edge, once the first leg has ended
  var low = 0u;     // the range, low to high, of what a leg searches: keys, or VOCAB - id
  var high = 0u;
  var above = 0.0;  // weight of what is above the range
  var goal = 0.0;   // weight to be reached
  var n = 0u;       // listed ids of this lane
  for (var leg = 0u; leg < 4u; leg++) {
    let mass = leg >= 2u;
    if ((!mass && !byCount) || (mass && !byMass)) { continue; }
    let byId = (leg % 2u) == 1u;
    if (byId) {
      found = low;
      low = 1u;
      high = VOCAB;
    } else {
      low = edge.x;
      high = max(low, best.x);
      above = 0.0;
      goal = f32(min(paramTopK(row), VOCAB));
    }
    let rounds = select(KEY_ROUNDS, ID_ROUNDS, byId);
    for (var round = 0u; round < rounds; round++) {
      let part = ((high - low) / 4u) + 1u;
      var cuts = vec4u(low, low + part, low + (2u * part), low + (3u * part));
      if (!byId && round == 0u) {
        let near = vec3f(12.0, 5.0, 2.0) * temperature;
        cuts = vec4u(low, orderKey(top - near.x), orderKey(top - near.y), orderKey(top - near.z));
        cuts = max(cuts, vec4u(low));
      }
      let unlisted = !byId && round < 2u; // nothing is listed yet
      let listing = round > 0u || byId;
      let count = select(n, SLOTS, unlisted);
      var sum = vec4f(0.0); // from each cut on
      var block = vec4f(0.0);
      var listed = 0u;
      for (var i = 0u; i < count; i++) {
        if ((i % BLOCK) == 0u) {
          sum += block;
          block = vec4f(0.0);
        }
        var id = (i * WG) + lane;
        if (!unlisted) { id = list[(((row * SLOTS) + i) * WG) + lane]; }
        if (id >= VOCAB) { continue; }
        let key = keys[(row * VOCAB) + id];
        let place = select(key, VOCAB - id, byId);
        let candidate = withinEdge(edge, key, id) && (!byId || key == found);
        if (!candidate || place < low || place > high) { continue; }
        if (listing) {
          list[(((row * SLOTS) + listed) * WG) + lane] = id;
          listed++;
        }
        var weight = 1.0;
        if (mass) { weight = exp((orderValue(key) - top) / temperature); }
        block += select(vec4f(0.0), vec4f(weight), vec4u(place) >= cuts);
      }
      sum += block;
      if (listing) { n = listed; }
      sumsPut(0u, lane, sum.x);
      sumsPut(1u, lane, sum.y);
      sumsPut(2u, lane, sum.z);
      sumsPut(3u, lane, sum.w);
      sumsJoin(lane);
      let beyond = vec4f(sumsGet(0u), sumsGet(1u), sumsGet(2u), sumsGet(3u));
      if (mass && !byId && round == 0u) { goal = max(topP * beyond.x, LEAST); }
      if (above + beyond.w >= goal) {
        low = cuts.w;
      } else if (above + beyond.z >= goal) {
        low = cuts.z;
        high = cuts.w - 1u;
        above += beyond.w;
      } else if (above + beyond.y >= goal) {
        low = cuts.y;
        high = cuts.z - 1u;
        above += beyond.z;
      } else { // also where all together don't reach it: then the edge becomes the end of the range
        high = max(low, cuts.y - 1u);
        above += beyond.y;
      }
    }
    if (byId) {
      let last = VOCAB - low;
      edge = vec2u(found, select(last, min(last, edge.y), found == edge.x));
    }
  }

  if (lane == 0u) {
    if (byRatio) {
      // The lowest key that min_p leaves.
      var first = edge.x;
      var last = max(edge.x, best.x);
      while (first < last) {
        let middle = first + ((last - first) / 2u);
        if ((orderValue(middle) - top) / temperature >= logMinP) { last = middle; } else { first = middle + 1u; }
      }
      if (first > edge.x) { edge = vec2u(first, 0xffffffffu); }
    }
    edges[row] = edge;
  }
}
