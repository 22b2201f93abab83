// What route_rows hands to the products over experts of a batch, in one buffer lists: array<u32>:
//   places {expert, first, count}, one for each expert that a row has chosen, in the order of the experts; in the places after them the
//   expert is NO_EXPERT and the rest undefined
//   the assignments, sorted by expert: those of a place are the words of lists from first on
// Assignment a is choice a % TOPK of row a / TOPK. No row chooses an expert twice, so a place has at most as many assignments as there are rows.

const PLACE_WORDS: u32 = 3u;
const NO_EXPERT: u32 = 0xffffffffu;
