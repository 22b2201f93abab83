package grammar

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gossamer/runtime/tokenizer/tokenizertest"
)

// corpusFigures are what a corpus of schemas and documents comes to. testdata/corpus.json keeps them.
type corpusFigures struct {
	Schemas   int       `json:"schemas"`
	Documents int       `json:"documents"`
	Compiled  int       `json:"compiled"`
	Invalid   int       `json:"invalid_accepted"`           // documents
	Refusing  int       `json:"schemas_with_valid_refused"` // of those that are compiled
	TimedOut  int       `json:"timed_out"`                  // schemas with a document that takes too long
	Masks     int       `json:"masks"`
	Mask      maskTimes `json:"mask_us"`
	Compile95 float64   `json:"compile_ms_p95"`
}

// maskTimes are in microseconds.
type maskTimes struct {
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
	Mean  float64 `json:"mean"`
	Worst float64 `json:"worst"`
}

// maxCorpusTime is what the masks of a document take at most, or it is given up.
const maxCorpusTime = 20 * time.Second

// corpusRun is a run over a corpus, under way.
type corpusRun struct {
	corpusFigures
	compiles []time.Duration
	masks    []time.Duration
	worst    []cost
}

// BenchmarkCorpus compiles the schemas of MaskBench, whose directory maskbench/data MASKBENCH names, makes a mask before each token of their
// documents, and prints what testdata/corpus.json keeps. With EVERY=N it takes one of N schemas, with ONLY those whose names contain it.
func BenchmarkCorpus(b *testing.B) {
	dir := os.Getenv("MASKBENCH")
	if dir == "" {
		b.Skip("MASKBENCH names no directory")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		b.Fatal("no files in ", dir)
	}
	every := 1
	if n := os.Getenv("EVERY"); n != "" {
		if every, err = strconv.Atoi(n); err != nil || every < 1 {
			b.Fatalf("EVERY=%s is no number above 0", n)
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	o200k()
	var run corpusRun
	for b.Loop() {
		run = corpusRun{}
		for i := 0; i < len(files); i += every {
			if strings.Contains(filepath.Base(files[i]), os.Getenv("ONLY")) {
				run.file(b, files[i])
			}
		}
	}
	run.print()
	b.ReportMetric(0, "ns/op")
}

// file compiles the schema of a file and walks its documents.
func (r *corpusRun) file(b *testing.B, path string) {
	data, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	var f struct {
		Schema json.RawMessage
		Tests  []struct {
			Data  json.RawMessage
			Valid bool
		}
	}
	if err := json.Unmarshal(data, &f); err != nil {
		b.Fatalf("%s: %v", path, err)
	}
	name := strings.TrimSuffix(filepath.Base(path), ".json")
	r.Schemas++
	r.Documents += len(f.Tests)
	start := cpuTime()
	g, err := o200k().Compile(b.Context(), Source{JSONSchema: f.Schema}, Options{Whitespace: Python, Order: AnyOrder})
	r.compiles = append(r.compiles, cpuTime()-start)
	if err != nil {
		return
	}
	r.Compiled++
	refused, late := false, false
	for i, test := range f.Tests {
		v, err := parseValue(test.Data)
		if err != nil {
			b.Fatalf("%s: %v", path, err)
		}
		accepted, inTime := r.document(fmt.Sprintf("%s, document %d", name, i+1), g, write(v, nil, ", ", ": "))
		late = late || !inTime
		switch {
		case accepted && !test.Valid:
			r.Invalid++
			fmt.Printf("INVALID ACCEPTED: %s, document %d\n", name, i+1)
		case !accepted && test.Valid && inTime:
			refused = true
			fmt.Printf("valid refused: %s, document %d\n", name, i+1)
		}
	}
	if refused {
		r.Refusing++
	}
	if late {
		r.TimedOut++
		fmt.Printf("timed out: %s\n", name)
	}
}

// document makes a mask before each token of a text.
func (r *corpusRun) document(name string, g *Grammar, text string) (accepted, inTime bool) {
	tok := tokenizertest.Vocabulary()
	m := g.NewMatcher()
	begin := cpuTime()
	for i, id := range tok.Encode(text) {
		mask, c := measure(m, 0, cpuTime)
		r.masks = append(r.masks, c.time)
		if len(r.worst) < mostWorst || c.time > r.worst[mostWorst-1].time {
			c.where = fmt.Sprintf("%s, token %d %q", name, i, tok.Bytes(id))
			r.worst = worst(append(r.worst, c), mostWorst)
		}
		switch allowed := mask[id/32]>>(id%32)&1 != 0; {
		case cpuTime()-begin > maxCorpusTime:
			return false, false
		case allowed != m.Accept(id):
			panic(fmt.Sprintf("%s, token %d: the mask says %v", name, i, allowed))
		case !allowed:
			return false, true
		}
	}
	return m.Accepting(), true
}

// mostWorst masks are printed one by one.
const mostWorst = 40

func (r *corpusRun) print() {
	for _, c := range r.worst {
		fmt.Println(c)
	}
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()/100) / 10 }
	var sum time.Duration
	for _, d := range r.masks {
		sum += d
	}
	slices.Sort(r.masks)
	slices.Sort(r.compiles)
	r.Masks = len(r.masks)
	if n := len(r.masks); n > 0 {
		r.Mask = maskTimes{P50: us(r.masks[n/2]), P99: us(r.masks[n*99/100]), Mean: us(sum / time.Duration(n)), Worst: us(r.masks[n-1])}
	}
	if n := len(r.compiles); n > 0 {
		r.Compile95 = float64(r.compiles[n*95/100].Microseconds()/100) / 10
	}
	text, err := json.Marshal(r.corpusFigures)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}
