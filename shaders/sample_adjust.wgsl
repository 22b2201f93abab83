// sample_adjust: the keys of the candidates of full sampling: the order keys (lib/order.wgsl) of the logits after logit bias, penalties and
// mask, in this order, as runtime/sample/transforms.go applies them. Of ids with a finite logit that the mask allows:
//
//   value += bias
//   value = value > 0 ? value / repetition : value * repetition    of ids that occur in the prompt or the reply
//   value -= presence + n * frequency                              of ids that occur n > 0 times in the reply
//
//   keys        u32 [rows][VOCAB]; 0 for an id that isn't a candidate: not finite, before or after, or forbidden
//   candidates  {key: u32, id: u32} [rows][tiles], the best key of a tile and its lowest id; the key is 0 where there is no candidate
//   logits      f32 [rows][VOCAB]
//   masks       bit sets [masks][(VOCAB+31)/32], which rows with the flag ROW_MASKED refer to
//   counts      u16 [rows][VOCAB, made even], of rows with PARAM_COUNTED: times in the reply, at most 32767, + 32768 if in the prompt
//   bias        {id: u32, bias: f32} [rows][MAX_BIASES], the first paramBiases of a row, each id once
//   grid        (VOCAB/TILE rounded up, rows, 1)
//   host        runtime/kernel/sample_full.go
//
// Each operation rounds for itself, so that value is what the CPU computes, to the bit, but where it is divided (WGSL allows 2.5 units in the
// last place) or subnormal (they may count as 0). A compiler may fuse a product with the sum that it goes into, or order sums anew; that
// every result is joined with a word which it doesn't know to be 0 forbids both.
//
//const VOCAB       ids
//const TILE        ids of a workgroup
//const MAX_BIASES  room for pairs of a row in bias
//const WG          workgroup size, power of two
//use step sample_params order best

@group(0) @binding(0) var<storage, read> step: array<u32>;
@group(0) @binding(1) var<storage, read> params: array<u32>;              // [rows][PARAM_WORDS]
@group(0) @binding(2) var<storage, read> logits: array<f32>;              // [rows][VOCAB]
@group(0) @binding(3) var<storage, read> masks: array<u32>;               // [masks][MASK_WORDS]
@group(0) @binding(4) var<storage, read> counts: array<u32>;              // [rows][COUNT_WORDS], the lower id in the low half
@group(0) @binding(5) var<storage, read> bias: array<vec2u>;              // [rows][MAX_BIASES]
@group(0) @binding(6) var<storage, read_write> keys: array<u32>;          // [rows][VOCAB]
@group(0) @binding(7) var<storage, read_write> candidates: array<vec2u>;  // [rows][tiles]

const MASK_WORDS: u32 = (VOCAB + 31u) / 32u;
const COUNT_WORDS: u32 = (VOCAB + 1u) / 2u;

var<workgroup> biasOf: array<f32, TILE>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup.y;
  let flags = rowFlags(row);
  if ((flags & (ROW_UNUSED | ROW_GIVEN)) != 0u) { return; }
  let masked = (flags & ROW_MASKED) != 0u;
  let counted = (paramFlags(row) & PARAM_COUNTED) != 0u;
  let repetition = paramRepetition(row);
  let biases = paramBiases(row);
  let zero = paramZero(row);
  let first = workgroup.x * TILE;
  if (biases > 0u) {
    for (var i = lane; i < TILE; i += WG) { biasOf[i] = 0.0; }
    workgroupBarrier();
    for (var i = lane; i < min(biases, MAX_BIASES); i += WG) {
      let pair = bias[(row * MAX_BIASES) + i];
      if (pair.x >= first && pair.x < first + TILE) { biasOf[pair.x - first] = bitcast<f32>(pair.y); }
    }
    workgroupBarrier();
  }
  var best = vec2u(0u, 0xffffffffu);
  for (var id = first + lane; id < min(first + TILE, VOCAB); id += WG) {
    var value = logits[(row * VOCAB) + id];
    var candidate = isFinite(value);
    if (masked) { candidate = candidate && ((masks[(rowMask(row) * MASK_WORDS) + (id / 32u)] >> (id % 32u)) & 1u) == 1u; }
    var key = 0u;
    if (candidate) {
      if (biases > 0u) { value = rounded(value + biasOf[id - first], zero); }
      if (counted && id < paramPenaltyVocab(row)) {
        let occurs = (counts[(row * COUNT_WORDS) + (id / 2u)] >> (16u * (id % 2u))) & 0xffffu;
        let n = occurs & 0x7fffu;
        if (occurs > 0u && repetition != 1.0) {
          if (value > 0.0) { value = value / repetition; } else { value = value * repetition; }
          value = rounded(value, zero);
        }
        if (n > 0u) { value -= rounded(paramPresence(row) + rounded(f32(n) * paramFrequency(row), zero), zero); }
      }
      if (isFinite(value)) { key = orderKey(value); }
    }
    keys[(row * VOCAB) + id] = key;
    best = better(best, vec2u(key, id));
  }
  best = bestOf(lane, best);
  if (lane == 0u) { candidates[(row * grid.x) + workgroup.x] = best; }
}

fn rounded(value: f32, zero: u32) -> f32 { return bitcast<f32>(bitcast<u32>(value) ^ zero); }
