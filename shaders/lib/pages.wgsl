// Where keys and values of a position are. A page holds PAGE positions; the page tables follow the rows of the step buffer.
//
//use step
//const SLIDING  1 in a layer with the sliding window, 0 in a full one
//const TABLES   word of the step buffer where the page tables begin

const PAGE: u32 = 128u;

// First word of the row's page table.
fn rowTable(row: u32) -> u32 { return TABLES + step[row * ROW_WORDS + 2u + SLIDING]; }

// Slot of a position in the arena [page][PAGE], given the row's table.
fn pageSlot(table: u32, position: u32) -> u32 { return (step[table + (position / PAGE)] * PAGE) + (position % PAGE); }
