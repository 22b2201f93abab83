package kernel

import (
	"encoding/binary"
	"math"
)

// StepRow is one row of the step buffer, the Step binding of the kernels' arguments: the token that a row of a batch or chunk
// computes. The rows are followed by the page tables of their texts. shaders/lib/step.wgsl reads it.
type StepRow struct {
	Token, Position         uint32
	FullTable, SlidingTable uint32 // where the page tables of full and of sliding layers begin, in words from TablesWord
	Flags                   uint32
	Seed                    uint64
	Temperature             float32
}

// Flags of a StepRow.
const (
	StepKeepFull uint32 = 1 << iota // don't write keys and values of full layers: they stand
	StepUnused                      // the row holds no sequence
	stepMasked                      // only ids of the mask that StepMask names may be drawn
	StepGiven                       // the token is given, not sampled; the flag is cleared once it is computed
)

// MaxMasks is how many masks the flags of rows can tell apart.
const MaxMasks = 1 << (stepDrawShift - stepMaskShift)

const stepMaskShift = 4

// StepMask are the flags of a row that draws with a mask: that with this number in the kernel's Masks.
func StepMask(number int) uint32 { return stepMasked | uint32(number)<<stepMaskShift }

// The bits of a StepRow's flags from here on count the times that Sample has run since the host wrote them.
const stepDrawShift = 16

// StepRowBytes is the size of a StepRow in the step buffer.
const StepRowBytes = 32

// TablesWord is the word of a step buffer with that many rows where the page tables begin: the Tables of the kernels' shapes.
func TablesWord(rows int) int { return rows * StepRowBytes / 4 }

// Append appends the row's words to b, in little endian.
func (r StepRow) Append(b []byte) []byte {
	for _, w := range r.words() {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}

func (r StepRow) words() [StepRowBytes / 4]uint32 {
	return [...]uint32{r.Token, r.Position, r.FullTable, r.SlidingTable, r.Flags, uint32(r.Seed), uint32(r.Seed >> 32), math.Float32bits(r.Temperature)}
}
