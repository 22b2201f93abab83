// Rows of the step buffer. The kernel declares step: array<u32>. A row is 8 words:
//   token, position, offset of its page table in full layers, in sliding layers, flags, seed (low, high), temperature (f32)
const ROW_WORDS: u32 = 8u;

const ROW_KEEP_FULL: u32 = 1u; // don't write keys and values of full layers: the sliding layers are being rebuilt
const ROW_UNUSED: u32 = 2u;    // no sequence: nothing of this row is read, and no key or value may be written
const ROW_MASKED: u32 = 4u;    // only ids of the row's mask may be drawn
const ROW_GIVEN: u32 = 8u;     // the host has set token and position: nothing is drawn, this time
const ROW_MASK_SHIFT: u32 = 4u; // the bits from here to ROW_DRAW are the number of the row's mask
const ROW_MASK_BITS: u32 = 4095u;
const ROW_DRAW: u32 = 65536u; // the flags from here on count the draws since the host wrote them

fn rowToken(row: u32) -> u32 { return step[row * ROW_WORDS]; }
fn rowPosition(row: u32) -> u32 { return step[row * ROW_WORDS + 1u]; }
fn rowFlags(row: u32) -> u32 { return step[row * ROW_WORDS + 4u]; }
fn rowMask(row: u32) -> u32 { return (rowFlags(row) >> ROW_MASK_SHIFT) & ROW_MASK_BITS; }
