package kernel

import (
	"encoding/binary"
	"flag"
	"math"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/gpu"
	"gossamer/runtime/tensor"
)

// sizes collects an exact sum and the sum of its terms' sizes, to which the error of a floating-point sum is proportional.
type sizes struct{ sum, size float64 }

func (s *sizes) add(f float64) {
	s.sum += f
	s.size += math.Abs(f)
}

// near is the sum if each term meets at most n roundings. Subnormals may count as zero: up to 2^-126 in each of some thousand terms,
// which a norm's factor of at most 1/sqrt(testEps) multiplies afterwards.
func (s sizes) near(n int) near { return near{s.sum, s.size*eps32*float64(n) + 2e-32} }

// denseRoundings bounds the roundings that a term of a matrix-vector product meets: three in forming it, one for each other term of
// its lane (at least 64 lanes take 8 inputs a round), and those of lib/sums.wgsl.
func denseRoundings(inputs int) int { return 3 + 8*ceilDiv(inputs, 8*64) + sumsRoundings }

// sumsRoundings bounds the roundings of lib/sums.wgsl: of at most denseLanes lanes every eighth in turn, then 8 parts pairwise.
const sumsRoundings = denseLanes/8 + 3

// normRoundings bounds the roundings of the norm's factor: those of its sum, whose terms are positive, and of the rest of it.
func normRoundings(inputs int) int { return denseRoundings(inputs) + 8 }

// norm is the factor of RMSNorm.
func norm(x []float32, eps float64) float64 {
	sum := 0.0
	for _, f := range x {
		sum += float64(f) * float64(f)
	}
	return 1 / math.Sqrt(sum/float64(len(x))+eps)
}

// decodeRow is a row of a batch in decoding, a sequence of its own.
type decodeRow struct {
	position    int // of the token
	token       uint32
	flags       uint32
	seed        uint64
	temperature float32
}

// rowsAt are rows at the given positions.
func rowsAt(positions ...int) []decodeRow {
	rows := make([]decodeRow, len(positions))
	for i, p := range positions {
		rows[i].position = p
	}
	return rows
}

// batch is a step of decoding with the arena that its rows' pages lie in.
type batch struct {
	rows             []decodeRow
	window           int // 0: a full layer
	kvHeads, headDim int
	f16              bool
}

// tables is the word of step where the page tables begin.
func (b batch) tables() int { return TablesWord(len(b.rows)) }

// firstPage is the first of the arena's pages that belong to a row; one page lies between the rows' in nobody's table.
func (b batch) firstPage(row int) int {
	n := 0
	for _, r := range b.rows[:row] {
		n += r.position/testPage + 2
	}
	return n
}

// slot is where a position is: a row's pages are in reverse order.
func (b batch) slot(row, position int) int {
	page := b.firstPage(row) + (b.rows[row].position-position/testPage*testPage)/testPage
	return page*testPage + position%testPage
}

// index is the element of the arena where a position's key or value begins.
func (b batch) index(row, position, kvHead int) int {
	return (b.slot(row, position)*b.kvHeads + kvHead) * b.headDim
}

// arena is the size of an arena in elements.
func (b batch) arena() int { return b.firstPage(len(b.rows)) * testPage * b.kvHeads * b.headDim }

// arenaWords is the size of an arena in words.
func (b batch) arenaWords() int {
	if b.f16 {
		return b.arena() / 2
	}
	return b.arena()
}

// readArena reads an arena as words of f32.
func (b batch) readArena(r rig, arena *gpu.Buffer) []uint32 {
	r.t.Helper()
	words := r.readWords(arena, b.arenaWords())
	if !b.f16 {
		return words
	}
	var fs []uint32
	for _, w := range words {
		if w == poison {
			fs = append(fs, poison, poison)
			continue
		}
		fs = append(fs, math.Float32bits(tensor.FromF16(uint16(w))), math.Float32bits(tensor.FromF16(uint16(w>>16))))
	}
	return fs
}

// stored allows for the rounding to f16, which may be in either direction (WGSL pack2x16float), and for f16 subnormals counted as
// zero.
func (b batch) stored(want []near) []near {
	if b.f16 {
		for i, w := range want {
			want[i].within += math.Abs(w.want)/(1<<10) + 1.0/(1<<14)
		}
	}
	return want
}

// visible is the first position that a row sees.
func (b batch) visible(row int) int {
	if b.window == 0 {
		return 0
	}
	return max(0, b.rows[row].position+1-b.window)
}

// words are the contents of the step buffer. The tables of the other kind of layer and the entries before the window lead nowhere.
func (b batch) words() []uint32 {
	const nowhere = 1 << 20
	words := make([]uint32, b.tables())
	for i, r := range b.rows {
		tables := [2]uint32{uint32(len(words) - b.tables()), 0} // full, sliding
		for p := 0; p <= r.position; p += testPage {
			page := uint32(nowhere)
			if p+testPage > b.visible(i) {
				page = uint32(b.slot(i, p) / testPage)
			}
			words = append(words, page)
		}
		tables[1] = uint32(len(words) - b.tables())
		words = append(words, slices.Repeat([]uint32{nowhere}, r.position/testPage+1)...)
		if b.window > 0 {
			tables[0], tables[1] = tables[1], tables[0]
		}
		row := StepRow{Token: r.token, Position: uint32(r.position), FullTable: tables[0], SlidingTable: tables[1], Flags: r.flags, Seed: r.seed, Temperature: r.temperature}.words()
		copy(words[len(row)*i:], row[:])
	}
	return words
}

func (b batch) step(r rig) *gpu.Buffer {
	r.t.Helper()
	return r.words("step", b.words())
}

// byBlocks returns rows of width elements in the order of lib/blocks.wgsl.
func byBlocks[T any](rows []T, width int) []T {
	stored := make([]T, len(rows))
	for i := range rows {
		row, e := i/width*width, i%width
		stored[row+(e%32/4*(width/32)+e/32)*4+e%4] = rows[i]
	}
	return stored
}

// twice records a program, runs it twice and returns what out reads after the second time. Before each time reset is called. The
// two results must have the same bits.
func (r rig) twice(reset func(), record func(p *gpu.Program) error, out func() []uint32) []uint32 {
	r.t.Helper()
	p := r.program(record)
	var first []uint32
	for n := range 2 {
		reset()
		r.must(r.dev.Submit(r.t.Context(), p))
		if n == 0 {
			first = out()
		}
	}
	second := out()
	equalBits(r.t, "second run", first, second)
	return second
}

// set writes an input again.
func (r rig) set(b *gpu.Buffer, fs []float32) {
	r.t.Helper()
	r.setWords(b, cacheCase{}.cacheBits(fs))
}

func (r rig) setWords(b *gpu.Buffer, ws []uint32) {
	r.t.Helper()
	var raw []byte
	for _, w := range ws {
		raw = binary.LittleEndian.AppendUint32(raw, w)
	}
	r.must(r.dev.Write(b, 0, raw))
}

// shardsOf cuts total into shards at cuts.
func shardsOf(total int, cuts []int) []Shard {
	var shards []Shard
	first := 0
	for _, next := range append(slices.Clip(cuts), total) {
		if next > first {
			shards = append(shards, Shard{first, next - first})
			first = next
		}
	}
	return shards
}

// TestMain draws the same shapes every time where -short is given, so that a driver which keeps what it compiled, as Mesa's does, has
// them. Otherwise, and where -rapid.seed is given, each run tries other ones.
func TestMain(m *testing.M) {
	flag.Parse()
	if seed := flag.Lookup("rapid.seed"); testing.Short() && seed.Value.String() == seed.DefValue {
		if err := seed.Value.Set("1"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// randomShapes checks a property of a few shapes that rapid draws: on a software renderer each costs its compilation.
func randomShapes[C any](t *testing.T, draw func(rt *rapid.T) C, check func(r rig, c C)) {
	r := newRig(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		if n++; n > 6 || t.Failed() {
			return
		}
		c := draw(rt)
		t.Logf("%+v", c)
		check(r, c)
	})
}

// drawRows draws a batch of 1, 2 or 4 rows at positions below limit.
func drawRows(rt *rapid.T, limit int) []decodeRow {
	rows := make([]decodeRow, 1<<rapid.IntRange(0, 2).Draw(rt, "rows"))
	for i := range rows {
		rows[i].position = rapid.IntRange(0, limit-1).Draw(rt, "position")
	}
	return rows
}
