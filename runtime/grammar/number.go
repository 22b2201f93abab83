package grammar

import (
	"strconv"
	"strings"
)

// decimal is a number as digits, without leading zeros of the whole part and trailing zeros of the fraction.
type decimal struct {
	negative        bool
	whole, fraction string // whole is "0" for numbers below 1
}

// maxDigits bounds the digits of a number of a schema.
const maxDigits = 400

// parseDecimal reads a JSON number.
func parseDecimal(text string) (d decimal, ok bool) {
	text, d.negative = strings.CutPrefix(text, "-")
	exponent := 0
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		var err error
		if exponent, err = strconv.Atoi(text[at+1:]); err != nil || exponent > maxDigits || exponent < -maxDigits {
			return d, false
		}
		text = text[:at]
	}
	d.whole, d.fraction, _ = strings.Cut(text, ".")
	if exponent > 0 {
		d.fraction += strings.Repeat("0", exponent)
		d.whole, d.fraction = d.whole+d.fraction[:exponent], d.fraction[exponent:]
	} else if exponent < 0 {
		d.whole = strings.Repeat("0", -exponent) + d.whole
		at := len(d.whole) + exponent
		d.whole, d.fraction = d.whole[:at], d.whole[at:]+d.fraction
	}
	d.whole = strings.TrimLeft(d.whole, "0")
	if d.whole == "" {
		d.whole = "0"
	}
	d.fraction = strings.TrimRight(d.fraction, "0")
	if d.zero() {
		d.negative = false
	}
	return d, len(d.whole)+len(d.fraction) <= maxDigits
}

func (d decimal) zero() bool    { return d.whole == "0" && d.fraction == "" }
func (d decimal) integer() bool { return d.fraction == "" }

func (d decimal) String() string {
	s := d.whole
	if d.negative {
		s = "-" + s
	}
	if d.fraction != "" {
		s += "." + d.fraction
	}
	return s
}

func compareDecimals(a, b decimal) int {
	if a.negative != b.negative {
		if a.negative {
			return -1
		}
		return 1
	}
	c := len(a.whole) - len(b.whole)
	if c == 0 {
		c = strings.Compare(a.whole, b.whole)
	}
	if c == 0 {
		c = strings.Compare(a.fraction, b.fraction)
	}
	if a.negative {
		return -c
	}
	return c
}

// Programs read numbers as float64, which end at 1.8e308 and hold whole numbers of 15 digits exactly. Texts have no more digits before the
// point than leaves numbers finite, and where it must not be rounded.
const (
	finiteDigits = 200
	exactDigits  = 15
)

// natural is a whole number of so many digits at most, without a sign and leading zeros.
func (t *exprs) natural(digits int32) expr {
	return t.alt(t.literal("0"), t.concat(t.set(span('1', '9')), t.repeat(t.set(span('0', '9')), 0, digits-1)))
}

// bound is an end of a range of numbers.
type bound struct {
	decimal
	open bool // the bound is not in the range
}

// plainNumber is every number without an exponent, but not -0. whole leaves out fractions.
func (t *exprs) plainNumber(whole bool) expr {
	frac := empty
	if !whole {
		frac = t.optional(t.concat(t.literal("."), t.repeat(t.set(span('0', '9')), 1, -1)))
	}
	magnitude := t.concat(t.natural(finiteDigits), frac)
	return t.alt(magnitude, t.concat(t.literal("-"), t.and(magnitude, t.above("0", "", true))))
}

// numberRange is the plain numbers from lo to hi; nil for no bound.
func (t *exprs) numberRange(lo, hi *bound) expr {
	all := t.everything()
	positive, negative := []expr{all}, []expr{t.above("0", "", true)}
	if lo != nil {
		if lo.negative {
			negative = append(negative, t.below(lo.whole, lo.fraction, lo.open))
		} else {
			positive = append(positive, t.above(lo.whole, lo.fraction, lo.open))
			negative = append(negative, none)
		}
	}
	if hi != nil {
		if hi.negative {
			negative = append(negative, t.above(hi.whole, hi.fraction, hi.open))
			positive = append(positive, none)
		} else {
			positive = append(positive, t.below(hi.whole, hi.fraction, hi.open))
		}
	}
	magnitude := t.concat(t.natural(finiteDigits), t.optional(t.concat(t.literal("."), t.repeat(t.set(span('0', '9')), 1, -1))))
	positive, negative = append(positive, magnitude), append(negative, magnitude)
	return t.alt(t.and(positive...), t.concat(t.literal("-"), t.and(negative...)))
}

// powers is numbers of a range with an exponent, as programs write them: a digit before the point, the exponent 2 to 99. Those nearer to 0
// than 1 are there if all of them are in the range, and those beyond 1 likewise.
func (t *exprs) powers(lo, hi *bound) expr {
	digit := t.set(span('0', '9'))
	number := t.concat(t.set(span('1', '9')), t.optional(t.concat(t.literal("."), t.repeat(digit, 1, -1))))
	exponent := t.alt(t.concat(t.optional(t.literal("0")), t.set(span('2', '9'))), t.concat(t.set(span('1', '9')), digit))
	e := t.alt(t.literal("e"), t.literal("E"))
	small, large := t.seq(number, e, t.literal("-"), exponent), t.seq(number, e, t.optional(t.literal("+")), exponent)
	zero, one, minus := decimal{whole: "0"}, decimal{whole: "1"}, decimal{whole: "1", negative: true}
	from := func(d decimal) bool { return lo == nil || compareDecimals(lo.decimal, d) <= 0 }
	to := func(d decimal) bool { return hi == nil || compareDecimals(hi.decimal, d) >= 0 }
	var all []expr
	if from(zero) && to(one) {
		all = append(all, small)
	}
	if from(one) && hi == nil {
		all = append(all, large)
	}
	if from(minus) && to(zero) {
		all = append(all, t.concat(t.literal("-"), small))
	}
	if lo == nil && to(minus) {
		all = append(all, t.concat(t.literal("-"), large))
	}
	return t.alt(all...)
}

// above matches magnitudes of at least whole.fraction; open, more than that.
func (t *exprs) above(whole, fraction string, open bool) expr {
	digits := t.star(t.set(span('0', '9')))
	frac := t.optional(t.concat(t.literal("."), digits))
	parts := []expr{t.seq(t.set(span('1', '9')), t.repeat(t.set(span('0', '9')), int32(len(whole)), -1), frac)} // longer
	for i := range len(whole) {
		if whole[i] < '9' {
			rest := t.repeat(t.set(span('0', '9')), int32(len(whole)-i-1), int32(len(whole)-i-1))
			parts = append(parts, t.seq(t.literal(whole[:i]), t.set(span(whole[i]+1, '9')), rest, frac))
		}
	}
	var same []expr // fractions after an equal whole part
	for i := range len(fraction) {
		if fraction[i] < '9' {
			same = append(same, t.seq(t.literal(fraction[:i]), t.set(span(fraction[i]+1, '9')), digits))
		}
	}
	if open {
		same = append(same, t.seq(t.literal(fraction), t.star(t.literal("0")), t.set(span('1', '9')), digits))
	} else {
		same = append(same, t.seq(t.literal(fraction), digits))
		if fraction == "" {
			parts = append(parts, t.literal(whole))
		}
	}
	return t.alt(append(parts, t.seq(t.literal(whole), t.literal("."), t.alt(same...)))...)
}

// below matches magnitudes of at most whole.fraction; open, less than that.
func (t *exprs) below(whole, fraction string, open bool) expr {
	digit := t.set(span('0', '9'))
	digits := t.star(digit)
	frac := t.optional(t.concat(t.literal("."), digits))
	var parts []expr
	if len(whole) > 1 {
		parts = append(parts, t.seq(t.repeat(digit, 1, int32(len(whole)-1)), frac)) // shorter
	}
	for i := range len(whole) {
		if whole[i] > '0' {
			rest := t.repeat(digit, int32(len(whole)-i-1), int32(len(whole)-i-1))
			parts = append(parts, t.seq(t.literal(whole[:i]), t.set(span('0', whole[i]-1)), rest, frac))
		}
	}
	var same []expr
	for i := range len(fraction) {
		if i > 0 {
			same = append(same, t.literal(fraction[:i]))
		}
		if fraction[i] > '0' {
			same = append(same, t.seq(t.literal(fraction[:i]), t.set(span('0', fraction[i]-1)), digits))
		}
	}
	if fraction != "" || !open {
		parts = append(parts, t.literal(whole))
	}
	if !open {
		same = append(same, t.seq(t.literal(fraction), t.star(t.literal("0"))))
	}
	return t.alt(append(parts, t.seq(t.literal(whole), t.literal("."), t.alt(same...)))...)
}

// maxRemainders bounds those that a machine tells apart, each behind each number of digits: beyond it a mask takes a tenth of a second.
const maxRemainders = 512

// multiples matches the plain numbers that are multiples of d. ok is false if there are too many remainders to tell apart. Those of a power
// of ten are zeros at the end, which are no remainders.
func (t *exprs) multiples(d decimal) (e expr, ok bool) {
	scale := len(d.fraction)
	digits := strings.TrimLeft(d.whole+d.fraction, "0")
	tens := 0
	if scale == 0 {
		tens = len(digits) - len(strings.TrimRight(digits, "0"))
	}
	m, err := strconv.ParseInt(digits[:len(digits)-tens], 10, 32)
	if err != nil || m > maxRemainders || tens >= exactDigits || d.negative {
		return none, false
	}
	digit := t.set(span('0', '9'))
	var parts []expr
	for places := 0; places <= scale; places++ {
		rest := m
		for range scale - places {
			for _, p := range []int64{2, 5} {
				if rest%p == 0 {
					rest /= p
				}
			}
		}
		shape := t.natural(exactDigits - int32(tens))
		if places > 0 {
			shape = t.seq(shape, t.literal("."), t.repeat(digit, int32(places), int32(places)))
		}
		parts = append(parts, t.and(shape, t.mod(0, int32(rest))))
	}
	if tens > 0 {
		multiple := t.and(parts[0], t.not(t.literal("0")))
		parts = []expr{t.literal("0"), t.concat(multiple, t.literal(strings.Repeat("0", tens)))}
	}
	magnitude := t.alt(parts...)
	return t.alt(magnitude, t.concat(t.literal("-"), magnitude)), true
}
