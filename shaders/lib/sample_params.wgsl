// Rows of the params buffer: what full sampling wants to know of a row beside its row of the step buffer. The kernel declares params:
// array<u32>. runtime/kernel/sample_params.go writes a row, which is 16 words:
//   flags, top_k, top_p (f32), log(min_p) (f32), repetition, presence, frequency penalty (f32), first id without penalties, bias pairs,
//   and zeros
const PARAM_WORDS: u32 = 16u;

const PARAM_COUNTED: u32 = 1u;  // the row has penalties: its counts are read and written
const PARAM_LOGPROBS: u32 = 2u; // log probabilities are wanted

fn paramFlags(row: u32) -> u32 { return params[row * PARAM_WORDS]; }
fn paramTopK(row: u32) -> u32 { return params[(row * PARAM_WORDS) + 1u]; }                        // 0: all
fn paramTopP(row: u32) -> f32 { return bitcast<f32>(params[(row * PARAM_WORDS) + 2u]); }          // 0 and 1: all
fn paramLogMinP(row: u32) -> f32 { return bitcast<f32>(params[(row * PARAM_WORDS) + 3u]); }       // -100: all
fn paramRepetition(row: u32) -> f32 { return bitcast<f32>(params[(row * PARAM_WORDS) + 4u]); }    // 1: none
fn paramPresence(row: u32) -> f32 { return bitcast<f32>(params[(row * PARAM_WORDS) + 5u]); }
fn paramFrequency(row: u32) -> f32 { return bitcast<f32>(params[(row * PARAM_WORDS) + 6u]); }
fn paramPenaltyVocab(row: u32) -> u32 { return params[(row * PARAM_WORDS) + 7u]; }
fn paramBiases(row: u32) -> u32 { return params[(row * PARAM_WORDS) + 8u]; }
fn paramZero(row: u32) -> u32 { return params[(row * PARAM_WORDS) + 9u]; }                        // 0, but no compiler knows
