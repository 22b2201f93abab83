package grammar

import "math/bits"

// charSet is a set of characters: of ASCII, and of the others all spaces together and all that are none.
type charSet struct {
	ascii          [2]uint64
	spaces, others bool
}

func (s *charSet) add(r rune) {
	switch {
	case r < 0x80:
		s.ascii[r>>6] |= 1 << (r & 63)
	case spaceRunes.has(r):
		s.spaces = true
	default:
		s.others = true
	}
}

func (s *charSet) union(o *charSet) {
	s.ascii[0] |= o.ascii[0]
	s.ascii[1] |= o.ascii[1]
	s.spaces, s.others = s.spaces || o.spaces, s.others || o.others
}

func (s *charSet) within(o *charSet) bool {
	return s.ascii[0]&^o.ascii[0] == 0 && s.ascii[1]&^o.ascii[1] == 0 && (!s.spaces || o.spaces) && (!s.others || o.others)
}

func (s *charSet) intersect(o *charSet) {
	s.ascii[0] &= o.ascii[0]
	s.ascii[1] &= o.ascii[1]
	s.spaces, s.others = s.spaces && o.spaces, s.others && o.others
}

// some is a character of ASCII in the set.
func (s *charSet) some() (b byte, ok bool) {
	for i, w := range s.ascii {
		if w != 0 {
			return byte(64*i + bits.TrailingZeros64(w)), true
		}
	}
	return 0, false
}

// plainChars are those of plain text.
var plainChars = charSet{ascii: [2]uint64{0xffffffff00000000 &^ (1 << '"'), 0xffffffffffffffff &^ (1 << ('\\' - 64))}, spaces: true, others: true}

// utf8Step is a machine that reads the characters of slices: from a state by a range of bytes to a state. 0 is between characters.
type utf8Step struct {
	from   uint8
	lo, hi byte
	to     uint8
}

var utf8Steps = [...]utf8Step{
	{0, 0x20, 0x21, 0}, {0, 0x23, 0x5b, 0}, {0, 0x5d, 0x7f, 0},
	{0, 0xc2, 0xdf, 1}, {0, 0xe0, 0xe0, 2}, {0, 0xe1, 0xec, 3}, {0, 0xed, 0xed, 4}, {0, 0xee, 0xef, 3},
	{0, 0xf0, 0xf0, 5}, {0, 0xf1, 0xf3, 6}, {0, 0xf4, 0xf4, 7},
	{1, 0x80, 0xbf, 0}, {2, 0xa0, 0xbf, 1}, {3, 0x80, 0xbf, 1}, {4, 0x80, 0x9f, 1},
	{5, 0x90, 0xbf, 3}, {6, 0x80, 0xbf, 3}, {7, 0x80, 0x8f, 3},
}

// Those of the characters beyond ASCII that are spaces, as regular expressions have them, and those that are none.
var (
	spaceSteps = [...]utf8Step{
		{0, 0xc2, 0xc2, 1}, {1, 0xa0, 0xa0, 0},
		{0, 0xe1, 0xe1, 2}, {2, 0x9a, 0x9a, 3}, {3, 0x80, 0x80, 0},
		{0, 0xe2, 0xe2, 4}, {4, 0x80, 0x80, 5}, {5, 0x80, 0x8a, 0}, {5, 0xa8, 0xa9, 0}, {5, 0xaf, 0xaf, 0}, {4, 0x81, 0x81, 6}, {6, 0x9f, 0x9f, 0},
		{0, 0xe3, 0xe3, 7}, {7, 0x80, 0x80, 3},
		{0, 0xef, 0xef, 8}, {8, 0xbb, 0xbb, 9}, {9, 0xbf, 0xbf, 0},
	}
	otherSteps = [...]utf8Step{
		{0, 0xc2, 0xc2, 8}, {8, 0x80, 0x9f, 0}, {8, 0xa1, 0xbf, 0}, {0, 0xc3, 0xdf, 1}, {0, 0xe0, 0xe0, 2},
		{0, 0xe1, 0xe1, 9}, {9, 0x80, 0x99, 1}, {9, 0x9a, 0x9a, 10}, {9, 0x9b, 0xbf, 1}, {10, 0x81, 0xbf, 0},
		{0, 0xe2, 0xe2, 11}, {11, 0x80, 0x80, 12}, {11, 0x81, 0x81, 13}, {11, 0x82, 0xbf, 1},
		{12, 0x8b, 0xa7, 0}, {12, 0xaa, 0xae, 0}, {12, 0xb0, 0xbf, 0}, {13, 0x80, 0x9e, 0}, {13, 0xa0, 0xbf, 0},
		{0, 0xe3, 0xe3, 14}, {14, 0x80, 0x80, 10}, {14, 0x81, 0xbf, 1}, {0, 0xe4, 0xec, 3}, {0, 0xed, 0xed, 4}, {0, 0xee, 0xee, 3},
		{0, 0xef, 0xef, 15}, {15, 0x80, 0xba, 1}, {15, 0xbb, 0xbb, 16}, {15, 0xbc, 0xbf, 1}, {16, 0x80, 0xbe, 0},
		{0, 0xf0, 0xf0, 5}, {0, 0xf1, 0xf3, 6}, {0, 0xf4, 0xf4, 7},
		{1, 0x80, 0xbf, 0}, {2, 0xa0, 0xbf, 1}, {3, 0x80, 0xbf, 1}, {4, 0x80, 0x9f, 1},
		{5, 0x90, 0xbf, 3}, {6, 0x80, 0xbf, 3}, {7, 0x80, 0x8f, 3},
	}
)

// declareChars makes the classes of bytes respect the steps of characters.
func (t *exprs) declareChars() {
	for _, s := range utf8Steps {
		t.set(span(s.lo, s.hi))
	}
}
