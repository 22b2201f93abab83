package docs

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	gossamer "gossamer/runtime"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/packed"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/gpu"
	"gossamer/runtime/kv"
	"gossamer/runtime/model"
	"gossamer/runtime/selftest"
)

// Figures in documents that follow from the code, or from measurements that are in the module, are computed here.

const (
	readme       = "README.md"
	architecture = "runtime/ARCHITECTURE.md"
	rationale    = "runtime/RATIONALE.md"
)

// names are the names of the published models in documents, by those of checkpointtest.
var names = map[string]string{"20b": "gpt-oss-20b", "120b": "gpt-oss-120b"}

func preset(t *testing.T, name string) *gptoss.Config {
	t.Helper()
	c, err := checkpointtest.Preset(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// footprint plans a model for a device with WebGPU's default limits, and returns what it takes and the sum.
func footprint(t *testing.T, c *gptoss.Config, o model.Options) (f model.Footprint, total int64) {
	t.Helper()
	p, err := model.NewPlan(c, gpu.Caps{MaxBindingBytes: 128 << 20, MaxBufferBytes: 256 << 20}, o)
	if err != nil {
		t.Fatal(err)
	}
	f = p.Footprint()
	return f, f.Weights + f.KV + f.Scratch
}

// bench is a file of runtime/model/testdata/bench, as far as documents quote it.
type bench struct {
	Load struct {
		Weights int64 `json:"weight_bytes"`
	} `json:"load"`
	Prefill, Decode []struct {
		Depth, Tokens int
		Rate          struct{ Mean float64 } `json:"tokens_per_second"`
		Dispatches    int                    `json:"dispatches_per_token"`
	}
}

func readBench(t *testing.T, name string) (b bench) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, "runtime/model/testdata/bench/"+name+"-h200.json")), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// grouped writes an integer with commas between groups of three digits.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// significant rounds to three significant digits.
func significant(x float64) string {
	unit := math.Pow(10, math.Floor(math.Log10(x))-2)
	return grouped(int(math.Round(x/unit) * unit))
}

// constant finds an integer that the first group of a pattern matches in a source file.
func constant(t *testing.T, file, pattern string) int {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(read(t, file))
	if m == nil {
		t.Fatalf("%s does not contain %s", file, pattern)
	}
	n, err := strconv.Atoi(strings.ReplaceAll(m[1], "_", ""))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMemoryOfTheModels(t *testing.T) {
	for name, document := range names {
		c := preset(t, name)
		small, err := gossamer.GPUMemory(c, 8192)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := gossamer.GPUMemory(c, 131072)
		if err != nil {
			t.Fatal(err)
		}
		total, large := small.Weights+small.KV+small.Scratch, whole.Weights+whole.KV+whole.Scratch
		says(t, readme, "| %s | %.1f GB | %d KiB | %.1f / %.1f GB |", document, gb(small.Weights), small.PerToken>>10, gb(total), gb(large))
		says(t, "docs/models.md", "| %s | %.1f GB | %.1f / %.1f GB |", document, gb(small.Weights), gb(total), gb(large))
		if b := readBench(t, name); b.Load.Weights != small.Weights-padding(t, c, small.Weights) {
			t.Errorf("%s was measured with %d bytes of weights, it has %d now: measure again", document, b.Load.Weights, small.Weights)
		}
		says(t, readme, "up to %s positions", grouped(c.MaxPositions))
	}
	says(t, readme, "in all with 8,192 / 131,072 tokens")
}

func gb(n int64) float64 { return float64(n) / 1e9 }

// padding is what a plan adds to the bytes of the tensors.
func padding(t *testing.T, c *gptoss.Config, planned int64) int64 {
	t.Helper()
	for _, spec := range c.Tensors() {
		planned -= spec.Bytes()
	}
	return planned
}

func TestRatesOnTheH200(t *testing.T) {
	for name, document := range names {
		b := readBench(t, name)
		row := fmt.Sprintf("| %s, prompt of %s tokens |", document, grouped(b.Prefill[0].Tokens))
		for _, depth := range []int{0, 8192} {
			for i, p := range b.Prefill {
				if p.Depth == depth {
					row += fmt.Sprintf(" %s | %.0f |", significant(p.Rate.Mean), b.Decode[i].Rate.Mean)
				}
			}
		}
		says(t, readme, "%s", row)
	}
	says(t, readme, "| NVIDIA H200, tokens/s | prompt | reply to it | prompt behind 8,192 tokens | reply to it |")
}

// TestDispatches counts as TestCostPerDecodedToken of runtime/model does, which compares with the recorded programs.
func TestDispatches(t *testing.T) {
	count := func(c *gptoss.Config) (whole, split int) {
		whole = 2 + 1 + 6*c.Layers + 1
		return whole, whole + c.Layers - c.SlidingLayers()
	}
	whole20, split20 := count(preset(t, "20b"))
	whole120, split120 := count(preset(t, "120b"))
	full := preset(t, "20b").Layers - preset(t, "20b").SlidingLayers()
	says(t, architecture, "a token of gpt-oss-20b takes %d dispatches, or %d from position 256 on, where the attention of its %d full layers is split; of gpt-oss-120b %d, or %d.",
		whole20, split20, full, whole120, split120)
	for name, want := range map[string]int{"20b": split20, "120b": split120} {
		for _, d := range readBench(t, name).Decode {
			if d.Dispatches != want {
				t.Errorf("%s was measured with %d dispatches a token, it has %d now: measure again", names[name], d.Dispatches, want)
			}
		}
	}
	says(t, rationale, "a program of %[1]d dispatches in one call of 0.1 ms instead of %[1]d times three calls", split20)
	says(t, rationale, "with %d dispatches that is a third of a token", split20)
	if share := float64(split20) * 5e-6 * readBench(t, "20b").Decode[0].Rate.Mean; share < 0.28 || share > 0.39 {
		t.Errorf("%s says that dispatches of 5 microseconds are a third of a token, they are %.2f of it", rationale, share)
	}
	says(t, rationale, "the dispatches of a token, six or seven a layer,")
	table := regexp.MustCompile("(?m)^\\| [1-7] \\| `\\w+`").FindAllString(read(t, architecture), -1)
	if len(table) != 7 {
		t.Errorf("%s has %d kernels a layer in its table, want 7", architecture, len(table))
	}
	// TestPrefillIsRecordedOnce of runtime/model counts the dispatches of prefill.
	if perLayer := constant(t, "runtime/model/count_test.go", `3\*\(1\+(\d+)\*3\)`); perLayer != 12 {
		t.Errorf("prefill takes %d dispatches a layer", perLayer)
	}
	says(t, architecture, "12 dispatches a layer")
}

// TestNativeBindings holds what is said of the two native bindings to what tools/bindings measured.
func TestNativeBindings(t *testing.T) {
	var r struct {
		Bindings []struct {
			Program int64   `json:"program_bytes"`
			Library int64   `json:"library_bytes"`
			Start   float64 `json:"start_cpu_seconds"`
			Latency struct {
				Record float64 `json:"record_us"`
			} `json:"dispatch_latency"`
			Kernels map[string]float64 `json:"kernels_us"`
		}
	}
	if err := json.Unmarshal([]byte(read(t, "runtime/gpu/testdata/bindings.json")), &r); err != nil {
		t.Fatal(err)
	}
	wgpu, dawn := r.Bindings[0], r.Bindings[1]
	says(t, rationale, "recorded and submitted in %.0f µs with wgpu-native and in %.0f µs with Dawn", wgpu.Latency.Record, dawn.Latency.Record)
	says(t, rationale, "a start with a reply of one token takes %.1f s and %.1f s of processor time", wgpu.Start, dawn.Start)
	says(t, rationale, "The program has %.0f MB with cgo, %.0f MB without, and Dawn's library %.0f MB.",
		float64(wgpu.Program)/1e6, float64(dawn.Program)/1e6, float64(dawn.Library)/1e6)
	if len(wgpu.Kernels) < 9 || len(dawn.Kernels) != len(wgpu.Kernels) || max(wgpu.Latency.Record, dawn.Latency.Record) > 300 {
		t.Errorf("%+v", r)
	}
}

func TestMemoryTable(t *testing.T) {
	c := preset(t, "20b")
	kinds := map[string]int64{} // bytes of one layer, and of all else
	for _, spec := range c.Tensors() {
		if spec.Layer > 0 {
			continue
		}
		switch {
		case spec.Kind == gptoss.Embedding:
			kinds["embedding"] += spec.Bytes()
		case spec.Kind == gptoss.Unembedding, spec.Kind == gptoss.FinalNorm:
		case spec.Kind >= gptoss.GateUpBlocks && spec.Kind <= gptoss.DownBias:
			kinds["experts"] += spec.Bytes()
		case len(spec.Shape) == 2:
			kinds["dense"] += spec.Bytes()
		default:
			kinds["vectors"] += spec.Bytes()
		}
	}
	says(t, architecture, "| [Vocab][Hidden] bf16, shards of rows | 2 × %.2f GB |", gb(kinds["embedding"]))
	says(t, architecture, "| per layer: `qkv`, `out`, `router` | bf16, shards of rows | %.0f MB |", float64(kinds["dense"])/1e6)
	says(t, architecture, "| per layer: experts | MXFP4 blocks, scales, bf16 biases; shards of experts | %.0f MB |", float64(kinds["experts"])/1e6)
	says(t, architecture, "| per layer: `vectors` | norms, biases, sinks side by side, bf16 | %.0f KB |", float64(kinds["vectors"])/1e3)

	f, _ := footprint(t, c, model.Options{Context: 8192, Sequences: 4})
	full := int64(c.Layers - c.SlidingLayers())
	page := f.PerToken / full * kv.PageTokens // keys and values of one layer
	says(t, architecture, "| full layers: keys, values | [page][%d][KVDim] f16 or f32 | %d KiB a token and layer |", kv.PageTokens, f.PerToken/full>>10)
	sliding := f.KV - (8192/kv.PageTokens+4)*page*full // full layers have a page more for each sequence
	says(t, architecture, "| %d KiB a page and layer, %d pages: %.0f MB in all |", page>>10, sliding/page/int64(c.SlidingLayers()), float64(sliding)/1e6)

	// What depends on the rows of a chunk, and what on the context, by the difference that half of it makes.
	scratch := func(o model.Options) float64 {
		f, _ := footprint(t, c, o)
		return float64(f.Scratch)
	}
	chunk := constant(t, "runtime/model/options.go", `defaultChunk += (\d+)`)
	says(t, architecture, "chunks of up to %d tokens", chunk)
	rows := 2 * (scratch(model.Options{Context: 8192}) - scratch(model.Options{Context: 8192, Chunk: chunk / 2}))
	says(t, architecture, "| activations of prefill | f32, rows of a chunk | %.0f MB |", rows/1e6)
	table := 2 * (scratch(model.Options{Context: 131072}) - scratch(model.Options{Context: 65536}))
	says(t, architecture, "| rope table | [context][HeadDim/2] cosine and sine, f32 | %.0f MB with a context of 131,072 |", table/1e6)
	tables := 131072 / kv.PageTokens * 2 * 4
	rowBytes := constant(t, "runtime/kernel/step.go", `StepRowBytes = (\d+)`)
	says(t, architecture, "page tables | %d KiB with a context of 131,072 |", (tables+rowBytes+tables+chunk*rowBytes)>>10)

	says(t, architecture, "(window − 1) × sliding layers tokens, %s for gpt-oss-20b", grouped((c.Window-1)*c.SlidingLayers()))
	says(t, rationale, "for gpt-oss-20b a page of all %d sliding layers takes %d MiB", c.SlidingLayers(), page*int64(c.SlidingLayers())>>20)
	says(t, architecture, "each of which takes one or two pages a layer: %d or %d MiB for gpt-oss-20b", page*int64(c.SlidingLayers())>>20, 2*page*int64(c.SlidingLayers())>>20)
	for n := c.Window + 1; n < 4*kv.PageTokens; n++ { // the pages of the window before position n
		if pages := (n-1)/kv.PageTokens - (n-c.Window+1)/kv.PageTokens + 1; pages < 1 || pages > 2 {
			t.Errorf("a resume point at %d takes %d pages, %s says one or two", n, pages, architecture)
		}
	}
}

func TestResumePoints(t *testing.T) {
	c := preset(t, "20b")
	bytes := func(bound int64) int64 {
		f, _ := footprint(t, c, model.Options{Context: 8192, ResumeBytes: bound})
		return f.KV
	}
	each := 3 * 2 * kv.PageTokens * int64(c.KVDim()) * 2 * int64(c.SlidingLayers())
	count := (bytes(0) - bytes(1)) / each
	if got := bytes(5*each) - bytes(1); got != 5*each {
		t.Errorf("within %d bytes resume points take %d", 5*each, got)
	}
	says(t, rationale, "Memory is reserved for %d resume points of three pages each, which leaves room for taking back the last tokens: %d MiB each, %d MiB in all.",
		count, each>>20, count*each>>20)
	if n := kv.WindowPages(c.Window); n != 3 {
		t.Errorf("%d pages are reserved for a resume point, %s says three", n, rationale)
	}
}

func TestExperts(t *testing.T) {
	var all, scales int64
	c := preset(t, "120b")
	for _, spec := range c.Tensors() {
		if spec.Layer == 0 && spec.Kind >= gptoss.GateUpBlocks && spec.Kind <= gptoss.DownBias {
			all += spec.Bytes()
			if spec.Kind == gptoss.GateUpScales || spec.Kind == gptoss.DownScales {
				scales += spec.Bytes()
			}
		}
	}
	says(t, rationale, "one layer's experts of gpt-oss-120b take %.1f GB", gb(all))
	says(t, rationale, "expert of the published models (%.2f MB)", float64(all)/float64(c.Experts)/1e6)
	says(t, rationale, "from the scales at most, %.0f %% of its bytes", 100*float64(scales)/float64(all))
}

func TestConstants(t *testing.T) {
	chunk := constant(t, "runtime/checkpoint/packed/manifest.go", `maxChunkBytes = (\d+) << 20`)
	says(t, rationale, "Why are chunks at most %d MiB", chunk)
	says(t, rationale, "unpacked in Go, in %d MiB that are used again", 2*chunk) // as it is stored, and unpacked
	says(t, rationale, "where it saves more than a %dth", constant(t, "runtime/checkpoint/packed/pack.go", `minSaving = (\d+)`))
	if packed.Parallel != 4 {
		t.Errorf("%s says that four chunks at a time are read and checked, it is %d", rationale, packed.Parallel)
	}
	says(t, rationale, "four chunks at a time")
	if n := constant(t, "runtime/checkpoint/remote/rules.go", `patience += (\d+) \* time.Minute`); n != 5 {
		t.Errorf("%s says that a Retry-After of up to five minutes is obeyed, it is %d", rationale, n)
	}
	says(t, rationale, "A Retry-After of up to five minutes")
	says(t, rationale, "agree to %s of their standard deviation", strings.Replace(fmt.Sprintf("%.0e", selftest.Limit), "e-0", "e-", 1))

	program, compressed := constant(t, "wasm/size_test.go", `maxBytes += ([\d_]+)`), constant(t, "wasm/size_test.go", `maxBrotliBytes += ([\d_]+)`)
	says(t, rationale, "(up to %.1f MB, %.1f MB compressed)", float64(program)/1e6, float64(compressed)/1e6)
	says(t, "wasm/README.md", "below %.1f MB, and below %.1f MB compressed", float64(program)/1e6, float64(compressed)/1e6)

	lines := strings.Count(read(t, "runtime/gpu/web_js.go")+read(t, "web/src/worker/gpu.ts"), "\n")
	says(t, rationale, "`gpu/web_js.go` and `web/src/worker/gpu.ts`, about %d lines together", (lines+50)/100*100)
	for _, binding := range []string{"default", "cogentcore"} {
		says(t, rationale, "against the types and %d functions", strings.Count(read(t, "runtime/gpu/wgpu_"+binding+".go"), "\nfunc "))
	}
}

// TestFiguresOfThePage compares what web/README.md says of times and numbers.
func TestFiguresOfThePage(t *testing.T) {
	words := map[int]string{3: "three", 5: "five", 8: "eight"}
	const page = "web/README.md"
	says(t, page, "over %s connections at a time", words[constant(t, "web/src/page/create.ts", `parallel \?\? (\d+)`)])
	ping := constant(t, "web/src/page/shared-connection.ts", `pingEvery = (\d+)`)
	says(t, page, "a notice after %s seconds", words[ping*constant(t, "web/src/page/shared-connection.ts", `notice: (\d+)`)/1000])
	if ms := ping * constant(t, "web/src/page/shared-connection.ts", `failure: (\d+)`); ms != 30000 {
		t.Errorf("%s says that requests to a suspended tab fail after half a minute, it is %d ms", page, ms)
	}
	says(t, page, "fail with `suspended` after half a minute")
	says(t, page, "at the latest %.1f seconds after", float64(constant(t, "web/src/page/http-api.ts", `longestSilence = (\d+)`))/1000)
	says(t, page, "for %s seconds at most", words[constant(t, "web/app/sandbox-client.ts", `programTime = (\d+)`)/1000])
}

// TestBrowsers: docs/browsers.md says of WebGPU what the page says.
func TestBrowsers(t *testing.T) {
	rows := regexp.MustCompile(`\['([^']+)', t\('(\w+)'\)\]`).FindAllStringSubmatch(read(t, "web/app/unsupported.ts"), -1)
	if len(rows) < 3 {
		t.Fatalf("web/app/unsupported.ts has %d browsers", len(rows))
	}
	for _, row := range rows {
		text := regexp.MustCompile(`(?m)^  ` + row[2] + `: '(.+)',$`).FindStringSubmatch(read(t, "web/app/texts/en.ts"))
		if text == nil {
			t.Fatalf("web/app/texts/en.ts has no %s", row[2])
		}
		says(t, "docs/browsers.md", "| %s | %s |", row[1], text[1])
	}
}

// TestCPUBesideLlama: docs/cpu.md tells what was measured.
func TestCPUBesideLlama(t *testing.T) {
	type rates struct{ Prefill, Decode float64 }
	var m struct {
		Threads, Prompt, Tokens, Runs int
		Llama                         string
		Rates                         struct{ Gossamer, Llama rates } `json:"tokens_per_second"`
	}
	if err := json.Unmarshal([]byte(read(t, "runtime/ref/testdata/llama.json")), &m); err != nil {
		t.Fatal(err)
	}
	if m.Threads != 1 {
		t.Errorf("it was measured with %d threads", m.Threads)
	}
	const document = "docs/cpu.md"
	says(t, document, "| tokens/s, one thread | prompt of %d tokens | %d tokens of a reply |", m.Prompt, m.Tokens)
	says(t, document, "| gossamer, the CPU backend | %s | %.1f |", significant(m.Rates.Gossamer.Prefill), m.Rates.Gossamer.Decode)
	says(t, document, "| llama.cpp (%s) | %s | %.1f |", m.Llama, significant(m.Rates.Llama.Prefill), m.Rates.Llama.Decode)
	says(t, document, "it takes %.1f times as long for a prompt and %.1f times for a reply",
		m.Rates.Llama.Prefill/m.Rates.Gossamer.Prefill, m.Rates.Llama.Decode/m.Rates.Gossamer.Decode)
	says(t, document, "the best of %d runs", m.Runs)
	says(t, "Makefile", "LLAMA_VERSION := %s", strings.TrimPrefix(m.Llama, "node-llama-cpp "))
}
