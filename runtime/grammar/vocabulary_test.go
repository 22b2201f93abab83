package grammar

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"gossamer/runtime/tokenizer/tokenizertest"
)

// o200k is the vocabulary of the model.
var o200k = sync.OnceValue(func() *Vocabulary {
	tok := tokenizertest.Vocabulary()
	return NewVocabulary(tok.Vocab(), tok.Bytes).WithEncoder(tok.Encode)
})

// person has what schemas usually have.
const person = `{"type":"object","properties":{
	"name":{"type":"string"},
	"nick":{"type":"string","pattern":"^[a-z_]+$","maxLength":20},
	"age":{"type":"integer","minimum":0,"maximum":150},
	"mail":{"type":"string","format":"email"},
	"kind":{"enum":["admin","user","guest"]},
	"tags":{"type":"array","items":{"type":"string"},"maxItems":5},
	"friend":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},
	"required":["name","age","friend"],"additionalProperties":false}`

const personText = `{"name":"Zoë \"Z\" O'Neil, 東京","nick":"zoe","age":42,"mail":"zoe@example.org","kind":"user","tags":["a","b c"],` +
	`"friend":{"name":"Bob","age":7,"friend":null}}`

// Texts as the tokenizer writes them are accepted token by token, each of which the mask before it allows.
func TestTokensOfTheModel(t *testing.T) {
	for _, tt := range []struct{ name, schema, text string }{
		{"person", person, personText},
		{"patterns of names", `{"type":"object","patternProperties":{"[0-9]{2,}":{"type":"boolean"},"X_":{"type":"string","maxLength":12}}}`,
			`{"a31b":true,"X_é":"twelve chars","b":[1]}`},
		{"names among any", `{"type":"object","properties":{"a":{"type":"null"},"above":{"type":"string","minLength":1},"able":{"type":"integer"}},
			"required":["above","able"],"propertyNames":{"maxLength":12}}`, `{"a":null,"above":"x","able":3,"abo":[],"ab\u006ce\"é":1}`},
		{"names that are not any", `{"type":"object","properties":{"a":true,"ab":true,"abc":{"const":1}},"additionalProperties":{"type":"integer"}}`,
			`{"ab":"","abc":1,"abcd":2,"é":3}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, o := range []Order{SchemaOrder, AnyOrder} {
				checkTokens(t, compile(t, o200k(), Source{JSONSchema: json.RawMessage(tt.schema)}, Options{Order: o}), tt.text)
			}
		})
	}
}

func checkTokens(t *testing.T, g *Grammar, text string) {
	tok := tokenizertest.Vocabulary()
	m := g.NewMatcher()
	for i, id := range tok.Encode(text) {
		for _, left := range []int{0, m.Distance() + len(text)} {
			if mask := m.Mask(left); mask.Bits[id/32]>>(id%32)&1 == 0 {
				t.Fatalf("token %d %q is not in the mask", i, tok.Bytes(id))
			}
		}
		for other := int32(i); other < int32(tok.Vocab()); other += 97 { // masks agree with single ids
			if mask := m.Mask(0); mask.Bits[other/32]>>(other%32)&1 != 0 != m.Allows(other) {
				t.Fatalf("token %d: id %d %q: the mask says %v", i, other, tok.Bytes(other), !m.Allows(other))
			}
		}
		if !m.Accept(id) {
			t.Fatalf("token %d %q is refused", i, tok.Bytes(id))
		}
	}
	if !m.Accepting() {
		t.Fatal("the text may not end")
	}
}

// Whatever is chosen, a text with a budget ends in time.
func TestBudgetIsKept(t *testing.T) {
	v := o200k()
	g := compile(t, v, Source{JSONSchema: json.RawMessage(person)}, Options{})
	for seed := range uint32(5) {
		m := g.NewMatcher()
		left := m.Distance() + int(seed)*7
		for ; !m.Accepting(); left-- {
			mask := m.Mask(left)
			// Some id of the mask, by a walk through its words.
			id := int32(-1)
			for w := range mask.Bits {
				at := (w*31 + int(seed)*977 + left*89) % len(mask.Bits)
				if bits := mask.Bits[at]; bits != 0 {
					for b := range 32 {
						if bits>>b&1 != 0 {
							id = int32(at*32 + b)
						}
					}
					break
				}
			}
			if id < 0 || !m.Accept(id) {
				t.Fatalf("seed %d: no way on with %d left, distance %d", seed, left, m.Distance())
			}
		}
		if left < 0 {
			t.Errorf("seed %d: ended %d tokens late", seed, -left)
		}
	}
}

// Near the end tokens are counted, not bytes: a word is written on while there are tokens for what must follow it.
func TestBudgetIsInTokens(t *testing.T) {
	tok := tokenizertest.Vocabulary()
	const schema = `{"type":"object","properties":{"description":{"type":"string"},"temperature_celsius":{"type":"integer"},"location":{"type":"string"}},
		"required":["description","temperature_celsius","location"],"additionalProperties":false}`
	m := compile(t, o200k(), Source{JSONSchema: json.RawMessage(schema)}, Options{}).NewMatcher()
	if got, want := m.Distance(), len(tok.Encode(`{"description":"","temperature_celsius":0,"location":""}`)); got != want {
		t.Errorf("distance %d, and the shortest document has %d tokens", got, want)
	}
	for _, id := range tok.Encode(`{"description":"A`) {
		m.Accept(id)
	}
	word := tok.Encode(" temperature")[0]
	enough := m.Distance() + 1
	if !inSet(m.Mask(enough).Bits, word) || inSet(m.Mask(enough-1).Bits, word) {
		t.Errorf("with %d tokens a word may follow: %v, with one less: %v", enough, inSet(m.Mask(enough).Bits, word), inSet(m.Mask(enough-1).Bits, word))
	}
}

// With few tokens left a mask has what Accept takes and Distance says to leave enough, at all places of texts, with tables that grow meanwhile.
func TestMasksNearTheEnd(t *testing.T) {
	tok := tokenizertest.Vocabulary()
	for _, w := range workloads() {
		m := compile(t, o200k(), Source{JSONSchema: json.RawMessage(w.schema)}, Options{}).NewMatcher()
		random := rand.New(rand.NewPCG(1, 2))
		for i, id := range tok.Encode(w.text) {
			distance := m.Distance()
			left := max(1, distance-1+random.IntN(12))
			mask := m.Mask(left).Bits
			for j := range 60 {
				other := random.Int32N(int32(tok.Vocab()))
				if j%2 == 0 { // of those that may come
					for k := 0; k < 200 && !inSet(mask, other); k++ {
						other = random.Int32N(int32(tok.Vocab()))
					}
				}
				want := false
				if m.Accept(other) {
					want = m.Distance() < max(left, distance)
					m.Rollback(1)
				}
				if inSet(mask, other) != want {
					t.Fatalf("%s: token %d, %d of %d left: the mask says %v of %q", w.name, i, left, distance, !want, tok.Bytes(other))
				}
			}
			m.Accept(id)
		}
	}
}

func inSet(bits []uint32, id int32) bool { return bits[id/32]>>(id%32)&1 != 0 }

// Tokens are forced only while there are enough for the rest, which the tokenizer may divide into more than the longest ones.
func TestForcedInTime(t *testing.T) {
	tok := tokenizertest.Vocabulary()
	const schema = `{"type":"object","properties":{"temperature_celsius":{"const":"supercalifragilistic"}},"required":["temperature_celsius"],"additionalProperties":false}`
	g := compile(t, o200k(), Source{JSONSchema: json.RawMessage(schema)}, Options{})
	m := g.NewMatcher()
	for left := m.Distance(); left < m.Distance()+5; left++ {
		m := g.NewMatcher()
		forced := m.Forced(nil, left)
		for i, id := range forced {
			if !m.Accept(id) || m.Distance() > left-i-1 {
				t.Fatalf("forced %q of %q: %d tokens to the end, %d left", tok.Bytes(id), tok.Decode(forced), m.Distance(), left-i-1)
			}
		}
	}
	if len(m.Forced(nil, 1)) > 0 {
		t.Error("tokens are forced where the text cannot end in time")
	}
	if len(m.Forced(nil, 100)) == 0 {
		t.Error("nothing is forced")
	}
}

// Forced tokens are those that the tokenizer writes, and allowed.
func TestForced(t *testing.T) {
	tok := tokenizertest.Vocabulary()
	const text = `{"temperature_celsius":12,"location_description":"x"}`
	schema := `{"type":"object","properties":{"temperature_celsius":{"type":"integer"},"location_description":{"type":"string"}},
		"required":["temperature_celsius","location_description"],"additionalProperties":false}`
	g := compile(t, o200k(), Source{JSONSchema: json.RawMessage(schema)}, Options{})
	m := g.NewMatcher()
	tokens, total := tok.Encode(text), 0
	for i := 0; i < len(tokens); i++ {
		forced := m.Forced(nil, 0)
		total += len(forced)
		for j, id := range forced {
			if i+j >= len(tokens) || tokens[i+j] != id {
				t.Fatalf("forced %q after %q", tok.Decode(forced), tok.Decode(tokens[:i]))
			}
		}
		if !m.Accept(tokens[i]) {
			t.Fatalf("%q is refused", tok.Bytes(tokens[i]))
		}
	}
	if total == 0 {
		t.Error("nothing is forced")
	}
}

func TestMaskAllocatesNothing(t *testing.T) {
	g := compile(t, o200k(), Source{JSONSchema: json.RawMessage(person)}, Options{})
	m := g.NewMatcher()
	id := tokenizertest.Vocabulary().Encode(`{"`)[0]
	n := testing.AllocsPerRun(100, func() {
		m.Mask(0)
		m.Accept(id)
		m.Mask(100)
		m.Allows(id)
		m.Rollback(1)
		m.Accepting()
		m.Distance()
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// Tries have each text once, in order, and say of subtrees what stands there: by the texts themselves.
func TestTriesOfAnyTexts(t *testing.T) {
	letters := []string{"a", " ", "b", "_", "9", "\"", "\x00", "é", "\xc3", "\xa9", "日", "😀", "\x7f", "\ufffd"}
	rapid.Check(t, func(t *rapid.T) {
		some := letters[:rapid.IntRange(1, len(letters)).Draw(t, "letters")]
		var texts [][]byte
		for _, parts := range rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom(some), 0, 20), 1, 40).Draw(t, "texts") {
			for i := range some { // many below one node
				texts = append(texts, []byte(strings.Join(parts, "")), []byte(strings.Join(append(parts, some[i:min(i+3, len(some))]...), "")))
			}
		}
		v := NewVocabulary(len(texts), func(id int32) []byte { return texts[id] })
		lowest := map[string]int32{}
		var same [][2]int32
		for id, b := range texts {
			if first, ok := lowest[string(b)]; ok && len(b) > 0 {
				same = append(same, [2]int32{first, int32(id)})
			} else if len(b) > 0 {
				lowest[string(b)] = int32(id)
			}
		}
		slices.SortFunc(v.same, func(a, b [2]int32) int { return cmp.Compare(a[1], b[1]) })
		if !slices.Equal(v.same, same) {
			t.Fatalf("other tokens of the same text: %v, want %v", v.same, same)
		}
		for i := range v.parts {
			checkTrie(t, v, i, lowest)
		}
		if len(lowest) > 0 {
			t.Fatalf("%d texts are in no trie", len(lowest))
		}
	})
}

// checkTrie takes the texts of a part from those that there are.
func checkTrie(t *rapid.T, v *Vocabulary, i int, texts map[string]int32) {
	p := &v.parts[i]
	var path []byte
	var ends []uint32 // of the subtrees of the nodes of path
	var order []int32
	for n, node := range p.trie {
		for len(ends) > 0 && ends[len(ends)-1] <= uint32(n) {
			path, ends = path[:len(path)-1], ends[:len(ends)-1]
		}
		path, ends = append(path, byte(node.next>>24)), append(ends, node.next&(1<<24-1))
		id := node.id
		if id < -1 {
			sub := p.subs[-2-id]
			id = sub.id
			least := len(order)
			if id >= 0 {
				least++
			}
			if int(sub.lo) != least || sub.hi-sub.lo < minSubtree {
				t.Fatalf("below %q are tokens %d to %d, before are %d", path, sub.lo, sub.hi, least)
			}
			checkSubtree(t, v, path, sub, p.order)
		}
		if id < 0 {
			continue
		}
		if want, ok := texts[string(path)]; !ok || want != id || partOf(path) != i {
			t.Fatalf("part %d has %q as token %d: it is %d, %v, of part %d", i, path, id, want, ok, partOf(path))
		}
		delete(texts, string(path))
		order = append(order, id)
	}
	if !slices.Equal(order, p.order) {
		t.Fatalf("part %d has tokens %v, its trie %v", i, p.order, order)
	}
	if !slices.IsSortedFunc(order, func(a, b int32) int { return bytes.Compare(v.text(a), v.text(b)) }) {
		t.Fatalf("part %d is not in order", i)
	}
}

func checkSubtree(t *rapid.T, v *Vocabulary, path []byte, sub subtree, order []int32) {
	var first, chars charSet
	most := 0
	for k, id := range order {
		rest, below := bytes.CutPrefix(v.text(id), path)
		if below = below && len(rest) > 0; below != (k >= int(sub.lo) && k < int(sub.hi)) {
			t.Fatalf("below %q are tokens %d to %d, and %d: %v", path, sub.lo, sub.hi, k, below)
		}
		if !below {
			continue
		}
		// The text begins in the middle of a character where the node is its first byte.
		n, from := 0, len(path)
		if sub.lead {
			from--
			n--
		}
		for i, r := range string(v.text(id)[from:]) {
			if n++; sub.lead && i == 0 {
				first.add(r)
			} else {
				chars.add(r)
			}
		}
		most = max(most, n)
	}
	if sub.lead && first != sub.first {
		t.Fatalf("at %q begin %v: the subtree says %v", path, first, sub.first)
	}
	if chars != sub.chars || most != int(sub.most) {
		t.Fatalf("below %q are texts of %v, at most %d characters: the subtree says %v, %d", path, chars, most, sub.chars, sub.most)
	}
}

// The machines read each character that they are for and no other.
func TestUTF8Steps(t *testing.T) {
	reads := func(steps []utf8Step, r rune) bool {
		state := uint8(0)
		for _, b := range []byte(string(r)) {
			i := slices.IndexFunc(steps, func(s utf8Step) bool { return s.from == state && s.lo <= b && b <= s.hi })
			if i < 0 {
				return false
			}
			state = steps[i].to
		}
		return state == 0
	}
	for r := range rune(utf8.MaxRune + 1) {
		if !utf8.ValidRune(r) {
			continue
		}
		space, ascii := spaceRunes.has(r), r < 0x80
		if reads(utf8Steps[:], r) != (r >= ' ' && r != '"' && r != '\\') || reads(spaceSteps[:], r) != (space && !ascii) || reads(otherSteps[:], r) != (!space && !ascii) {
			t.Fatalf("%U: plain %v, space %v, other %v", r, reads(utf8Steps[:], r), reads(spaceSteps[:], r), reads(otherSteps[:], r))
		}
	}
}

func BenchmarkVocabulary(b *testing.B) {
	tok := tokenizertest.Vocabulary()
	for b.Loop() {
		NewVocabulary(tok.Vocab(), tok.Bytes)
	}
}

func BenchmarkCompile(b *testing.B) {
	v := o200k()
	for b.Loop() {
		compile(b, v, Source{JSONSchema: json.RawMessage(person)}, Options{}).NewMatcher()
	}
}

// Masks that were not made before, at places of a text; the tables of steps are warm.
func BenchmarkMask(b *testing.B) {
	v := o200k()
	g := compile(b, v, Source{JSONSchema: json.RawMessage(person)}, Options{})
	for _, bb := range []struct{ name, text string }{
		{"start", `{"`}, {"string", `{"name":"Zo`}, {"pattern", `{"name":"","nick":"z`}, {"integer", `{"name":"","age":`},
		{"mail", `{"name":"","age":1,"mail":"z`}, {"enum", `{"name":"","age":1,"kind":"`}, {"tag", `{"name":"","age":1,"tags":["`},
		{"key", `{"name":"","age":1,`},
	} {
		b.Run(bb.name, func(b *testing.B) {
			m := g.NewMatcher()
			for _, id := range tokenizertest.Vocabulary().Encode(bb.text) {
				if !m.Accept(id) {
					b.Fatal("refused")
				}
			}
			m.compute(math.MaxInt32)
			for b.Loop() {
				m.compute(math.MaxInt32)
			}
		})
	}
	b.Run("memo", func(b *testing.B) {
		m := g.NewMatcher()
		for b.Loop() {
			m.Mask(0)
		}
	})
	b.Run("first", func(b *testing.B) { // with nothing made before
		for b.Loop() {
			b.StopTimer()
			g := compile(b, v, Source{JSONSchema: json.RawMessage(person)}, Options{})
			m := g.NewMatcher()
			for _, id := range tokenizertest.Vocabulary().Encode(`{"name":"Zo`) {
				m.Accept(id)
			}
			b.StartTimer()
			m.Mask(0)
		}
	})
}
