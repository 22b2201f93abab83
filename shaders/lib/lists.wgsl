// What sort_experts and route_rows hand to the products over experts, in one buffer lists: array<u32>:
//   the number of tiles; the tiles {expert, first of sorted, count}; sorted: the assignments, by expert
// Assignment a is choice a % TOPK of row a / TOPK. A tile has assignments of one expert only.
//
//const MAX_TILES  tiles that lists has room for

const LISTS_TILES: u32 = 1u;
const TILE_WORDS: u32 = 3u;
const LISTS_SORTED: u32 = LISTS_TILES + (MAX_TILES * TILE_WORDS);
