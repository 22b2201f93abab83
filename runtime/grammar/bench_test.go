package grammar

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"gossamer/runtime/tokenizer/tokenizertest"
)

// workload is a schema as tools and response formats have them, and a text of it.
type workload struct{ name, schema, text string }

// workloads are what masks and compilation are measured with.
func workloads() []workload {
	var wide, wideText, enum, tools, overlapping []string
	for i := range 60 {
		kind := []string{`{"type":"string"}`, `{"type":"integer"}`, `{"type":["number","null"]}`, `{"type":"array","items":{"type":"string"}}`,
			`{"type":"object","properties":{"id":{"type":"string"},"value":{"type":"number"}},"required":["id"],"additionalProperties":false}`}[i%5]
		wide = append(wide, fmt.Sprintf(`"field_%s_%d":%s`, []string{"name", "count", "rate", "tags", "ref"}[i%5], i, kind))
		if i%7 == 0 {
			wideText = append(wideText, fmt.Sprintf(`"field_%s_%d":%s`, []string{"name", "count", "rate", "tags", "ref"}[i%5], i,
				[]string{`"Some text, and more."`, `42`, `-0.25`, `["a","b"]`, `{"id":"x1","value":2e5}`}[i%5]))
		}
	}
	words := strings.Fields("alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike " +
		"november oscar papa quebec romeo sierra tango uniform victor")
	for i := range 500 {
		enum = append(enum, fmt.Sprintf("%q", fmt.Sprintf("%s %s %d", words[i%22], words[i/23], i)))
	}
	for i := range 20 {
		tools = append(tools, fmt.Sprintf(`{"type":"object","properties":{"tool":{"const":"%s_%s"},"arguments":{"type":"object",
			"properties":{"path":{"type":"string","minLength":1},"%s":{"type":"integer","minimum":1,"maximum":%d},"force":{"type":"boolean"}},
			"required":["path"],"additionalProperties":false}},"required":["tool","arguments"],"additionalProperties":false}`,
			words[i], words[(i+7)%22], words[i], 10+i*37))
		overlapping = append(overlapping, fmt.Sprintf(`{"type":"object","properties":{"title":{"type":"string"},"body":{"type":"string","maxLength":%d},
			"k%d":{"type":"integer"}},"required":["title","body"]}`, 100+i*50, i))
	}
	object := func(properties string) string {
		return `{"type":"object","properties":{` + properties + `},"additionalProperties":false}`
	}
	return []workload{
		{"person", person, personText},
		{"60 properties", `{"type":"object","properties":{"a":` + object(strings.Join(wide, ",")) + `,"b":{"type":"object","properties":{` +
			strings.Join(wide, ",") + `}}},"required":["a","b"]}`,
			`{"a":{` + strings.Join(wideText, ",") + `},"b":{` + strings.Join(wideText, ",") + `,"another one":[1,{"x":null}]}}`},
		{"500 values", object(`"e":{"enum":[` + strings.Join(enum, ",") + `]},"f":{"type":"array","items":{"enum":[` + strings.Join(enum, ",") + `]}}`),
			`{"e":` + enum[123] + `,"f":[` + enum[7] + `,` + enum[444] + `]}`},
		{"patterns", object(`"code":{"type":"string","pattern":"^[A-Z]{2,3}-[0-9]{3,8}$"},"slug":{"type":"string","pattern":"^[a-z0-9]+(?:-[a-z0-9]+)*$"},
			"has":{"type":"string","pattern":"[0-9]+"},"both":{"type":"string","pattern":"^(?:foo|bar)[^x]*$","minLength":5,"maxLength":255},
			"phone":{"type":"string","pattern":"^\\+?[1-9]\\d{1,14}$"},
			"semver":{"type":"string","pattern":"^v?\\d+\\.\\d+\\.\\d+(-[0-9A-Za-z-]+(\\.[0-9A-Za-z-]+)*)?$"},
			"word":{"type":"string","pattern":"\\S+@\\S+"},"path":{"type":"string","pattern":"^(/[^/\\x00]+)+$"}`),
			`{"code":"AB-12345","slug":"a-slug-of-9-words","has":"all 99 of them","both":"foobar is more",` +
				`"phone":"+4912345678","semver":"v1.22.333-rc.1","word":"x@y","path":"/usr/local/lib"}`},
		{"words", object(`"summary":{"type":"string","pattern":"^(?:\\S+\\s+){0,49}\\S+$","minLength":1,"maxLength":500},
			"features":{"type":"array","items":{"type":"string","pattern":"^(?:\\S+\\s+){0,9}\\S+$","maxLength":100}},"mail":{"type":"string","pattern":"^[^\\s@]+@[^\\s@]+$"}`),
			`{"summary":"This is a summary of the service. It provides a brief overview, für alle.","features":["one feature","two"],"mail":"x@y.example"}`},
		{"formats", object(`"at":{"type":"string","format":"date-time"},"uri":{"type":"string","format":"uri"},"mail":{"type":"string","format":"email"},
			"id":{"type":"string","format":"uuid"},"day":{"type":"string","format":"date"},"host":{"type":"string","format":"hostname"},
			"ip":{"type":"string","format":"ipv4"},"both":{"type":"string","format":"uri","maxLength":2048}`),
			`{"at":"2026-11-30T10:20:30.5Z","uri":"https://example.org/a/b%20c?x=1&y=2#top","mail":"some.body+tag@mail.example.org",` +
				`"id":"123e4567-e89b-12d3-a456-426614174000","day":"2026-02-28","host":"www.example.org","ip":"192.168.1.255","both":"urn:isbn:12345"}`},
		{"oneOf of tools", `{
			"type":"object","properties":{"calls":{"type":"array","items":{"oneOf":[` + strings.Join(tools, ",") + `]},"maxItems":10}},
			"required":["calls"]}`,
			`{"calls":[{"tool":"bravo_india","arguments":{"path":"/etc/hosts","bravo":7,"force":true}},{"tool":"echo_lima","arguments":{"path":"x y"}}]}`},
		{"anyOf of overlapping objects", `{"anyOf":[` + strings.Join(overlapping, ",") + `]}`,
			`{"title":"A title of some words","body":"The body of it: \"longer\" than the title, but not by much.","k3":5,"other":"text"}`},
		{"long strings", object(`"text":{"type":"string","maxLength":65535},"some":{"type":"string","minLength":10,"maxLength":1000},
			"lines":{"type":"array","items":{"type":"string","minLength":1,"maxLength":80},"minItems":1,"maxItems":1000}`),
			`{"text":"Text that may be long, with \n escapes and 東京 in it.","some":"not so long as it may be","lines":["one","two","three"]}`},
		{"patterns of names", `{"type":"object","properties":{"name":{"type":"string"},"version":{"type":"string"}},
			"patternProperties":{"^x-":{},"^[a-z]+_id$":{"type":"integer"},
			"[0-9]{2,}":{"type":"boolean"}},"additionalProperties":{"type":"string","maxLength":100}}`,
			`{"name":"n","x-more":{"any":[1]},"user_id":12,"a31b":true,"another":"text"}`},
		{"recursion", `{"$defs":{"node":{"anyOf":[{"type":"number"},{"type":"string"},{"$ref":"#/$defs/call"},{"$ref":"#/$defs/binary"}]},
			"call":{"type":"object","properties":{"fn":{"type":"string","pattern":"^[a-zA-Z_]\\w*$"},"args":{"type":"array","items":{"$ref":"#/$defs/node"}}},
				"required":["fn","args"],"additionalProperties":false},
			"binary":{"type":"object","properties":{"op":{"enum":["+","-","*","/"]},"left":{"$ref":"#/$defs/node"},"right":{"$ref":"#/$defs/node"}},
				"required":["op","left","right"],"additionalProperties":false}},
			"$ref":"#/$defs/node"}`,
			`{"op":"+","left":{"fn":"max","args":[1,"x",{"op":"*","left":2,"right":{"fn":"f","args":[]}}]},"right":-3.5e7}`},
		{"numbers", object(`"port":{"type":"integer","minimum":1,"maximum":65535},"rate":{"type":"number","exclusiveMinimum":0,"maximum":1},
			"money":{"type":"number","multipleOf":0.01,"minimum":0},"even":{"type":"integer","multipleOf":2},"t":{"type":"number","minimum":-273.15}`),
			`{"port":8080,"rate":0.125,"money":19.99,"even":-42,"t":-12.5}`},
		{"any value", `true`, `{"a":[1,2.5e-3,"text with \u00e9",null,true,{"b":{"c":[]}}],"d":"the end"}`},
		{"counted properties", `{"type":"object","additionalProperties":{"type":"number"},"minProperties":1,"maxProperties":20}`,
			`{"alpha":1,"beta":2.5,"gamma delta":3}`},
		{"references to one object", `{"$defs":{"p":{"type":"object","properties":{"x":{"type":"number"},"y":{"type":"number"},
			"label":{"type":["string","null"],"maxLength":64}},
			"required":["x","y"],"additionalProperties":false}},"type":"object","properties":{"from":{"$ref":"#/$defs/p"},"to":{"$ref":"#/$defs/p"},
			"via":{"type":"array","items":{"$ref":"#/$defs/p"},"maxItems":50}},"required":["from","to"]}`,
			`{"from":{"x":1.5,"y":-2,"label":"home"},"to":{"x":0,"y":0,"label":null},"via":[{"x":1,"y":1},{"x":2,"y":2}],"more":"text"}`},
	}
}

// cost of one mask: counts, and CPU time of the thread.
type cost struct {
	where string
	effort
	derived, sight int
	time           time.Duration
}

func (c cost) String() string {
	return fmt.Sprintf("%6d us, %7d nodes, %6d steps, %6d derivatives, %5d seen, %s", c.time.Microseconds(), c.nodes, c.steps, c.derived, c.sight, c.where)
}

// goThrough makes the masks of a text of a workload with nothing made before, and then those of random walks: what a model of no use writes.
func goThrough(t testing.TB, w workload, walks int, clock func() time.Duration) (costs []cost) {
	v := o200k()
	tok := tokenizertest.Vocabulary()
	g := compile(t, v, Source{JSONSchema: json.RawMessage(w.schema)}, Options{})
	one := func(m *Matcher, where string, left int) []uint32 {
		bits, c := measure(m, left, clock)
		c.where = where
		costs = append(costs, c)
		return bits
	}
	m := g.NewMatcher()
	for i, id := range tok.Encode(w.text) {
		if bits := one(m, fmt.Sprintf("%s: token %d %q", w.name, i, tok.Bytes(id)), 0); bits[id/32]>>(id%32)&1 == 0 || !m.Accept(id) {
			t.Fatalf("%s: token %d %q is refused", w.name, i, tok.Bytes(id))
		}
	}
	if !m.Accepting() {
		t.Fatalf("%s: the text may not end", w.name)
	}
	for seed := range uint64(walks) {
		rng := rand.New(rand.NewPCG(seed, 1))
		m := g.NewMatcher()
		for i := range 100 {
			left := 0
			if i > 50 {
				left = 100 - i
			}
			var text []byte
			for j := m.held; j > 0; j-- {
				text = append(text, v.text(m.tokens[(m.n-j)%maxRollback])...)
			}
			bits := one(m, fmt.Sprintf("%s: after %q, left %d", w.name, text, left), left)
			var ids []int32
			for at := range bits {
				for b := range int32(32) {
					if bits[at]>>b&1 != 0 {
						ids = append(ids, int32(at)*32+b)
					}
				}
			}
			if len(ids) == 0 {
				break
			}
			// Any token, or one of a few bytes of ASCII: else strings would hardly end.
			if rng.IntN(2) == 0 {
				if short := slices.DeleteFunc(slices.Clone(ids), func(id int32) bool { return len(v.text(id)) > 2 || v.text(id)[0] > 0x7f }); len(short) > 0 {
					ids = short
				}
			}
			m.Accept(ids[rng.IntN(len(ids))])
		}
	}
	return costs
}

// measure makes a mask and counts what that takes.
func measure(m *Matcher, left int, clock func() time.Duration) ([]uint32, cost) {
	e, before, derived, start := m.e, m.e.effort, m.e.derived, clock()
	mask := m.Mask(left)
	c := cost{time: clock() - start, effort: m.e.effort, derived: m.e.derived, sight: m.e.sight}
	if m.e == e { // else the tables are new
		c.nodes -= before.nodes
		c.steps -= before.steps
		c.tokens -= before.tokens
		c.derived -= derived
	}
	return mask.Bits, c
}

func percentile(costs []cost, p float64, of func(cost) int64) int64 {
	all := make([]int64, len(costs))
	for i, c := range costs {
		all[i] = of(c)
	}
	slices.Sort(all)
	return all[min(int(p*float64(len(all))), len(all)-1)]
}

func worst(costs []cost, n int) []cost {
	slices.SortFunc(costs, func(a, b cost) int { return -cmp.Compare(a.time, b.time) })
	return costs[:min(n, len(costs))]
}

// Masks and compilations of the workloads, each schema met for the first time. WORKLOAD names one of them.
func BenchmarkWorkloads(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	o200k()
	var all []cost
	var compiles []time.Duration
	for b.Loop() {
		all, compiles = nil, nil
		for _, w := range workloads() {
			if only := os.Getenv("WORKLOAD"); only != "" && only != w.name {
				continue
			}
			for range 5 {
				start := cpuTime()
				compile(b, o200k(), Source{JSONSchema: json.RawMessage(w.schema)}, Options{}).NewMatcher()
				compiles = append(compiles, cpuTime()-start)
			}
			costs := goThrough(b, w, 4, cpuTime)
			us := func(c cost) int64 { return c.time.Microseconds() }
			fmt.Printf("%-30s compile %6d us; %4d masks, p50 %5d, p90 %6d, p99 %6d, max %6d us; "+
				"nodes p99 %6d, max %7d; steps max %6d, sight max %5d\n", w.name,
				compiles[len(compiles)-1].Microseconds(), len(costs), percentile(costs, 0.5, us), percentile(costs, 0.9, us), percentile(costs, 0.99, us),
				percentile(costs, 1, us), percentile(costs, 0.99, func(c cost) int64 { return int64(c.nodes) }),
				percentile(costs, 1, func(c cost) int64 { return int64(c.nodes) }), percentile(costs, 1, func(c cost) int64 { return int64(c.steps) }),
				percentile(costs, 1, func(c cost) int64 { return int64(c.sight) }))
			for _, c := range worst(costs, 3) {
				fmt.Printf("    %v\n", c)
			}
			all = append(all, costs...)
		}
	}
	slices.Sort(compiles)
	us := func(c cost) int64 { return c.time.Microseconds() }
	b.ReportMetric(float64(compiles[len(compiles)*95/100].Microseconds()), "compile-p95-us")
	b.ReportMetric(float64(percentile(all, 0.5, us)), "mask-p50-us")
	b.ReportMetric(float64(percentile(all, 0.99, us)), "mask-p99-us")
	b.ReportMetric(float64(percentile(all, 1, us)), "mask-max-us")
	b.ReportMetric(0, "ns/op")
}
