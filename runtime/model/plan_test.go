package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
	"testing"

	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/engine"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
	"gossamer/runtime/kv"
	"gossamer/runtime/testenv"
)

// planFile is testdata/plans.json.
type planFile struct {
	Configs map[string]json.RawMessage `json:"configs"` // by name, as in config.json
	Cases   []planCase                 `json:"cases"`
}

// planCase is a model on a device, and the plan of it.
type planCase struct {
	Config       string   `json:"config"`
	Context      int      `json:"context"`
	KV           string   `json:"kv"`
	BindingBytes int64    `json:"bindingBytes"` // limit of a binding and of a buffer
	Software     bool     `json:"software"`     // the adapter is a software renderer
	Plan         *planned `json:"plan"`         // null where the device has no room
	// Needs is the smallest BindingBytes for which there is a plan.
	Needs int64 `json:"needs"`
}

// planned are the bytes of a plan.
type planned struct {
	Weights      int64 `json:"weights"`
	KV           int64 `json:"kv"`
	KVPerToken   int64 `json:"kvPerToken"`
	KVFixed      int64 `json:"kvFixed"` // of KV, what is not the context's, in whole pages
	Scratch      int64 `json:"scratch"`
	Total        int64 `json:"total"`
	ReadPerToken int64 `json:"readPerToken"` // weights that one token reads
}

func (c planCase) plan(config *gptoss.Config, binding int64) (Plan, error) {
	caps := gpu.Caps{MaxBindingBytes: binding, MaxBufferBytes: binding}
	if c.Software {
		caps.Adapter.Type = "cpu"
	}
	precision := F16
	if c.KV == F32.String() {
		precision = F32
	}
	return NewPlan(config, caps, Options{Context: c.Context, KV: precision})
}

// planCases are the published models, and a small one of which no two dimensions are alike, on devices of several kinds.
func planCases() (cases []planCase) {
	for _, binding := range []int64{128 << 20, 2 << 30} {
		for _, precision := range []Precision{F16, F32} {
			for _, context := range []int{8192, 32768, 131072} {
				for _, config := range []string{"20b", "120b"} {
					cases = append(cases, planCase{Config: config, Context: context, KV: precision.String(), BindingBytes: binding})
				}
			}
			for _, context := range []int{1, 1000, 8192} {
				cases = append(cases, planCase{Config: "default", Context: context, KV: precision.String(), BindingBytes: binding, Software: context == 1000})
			}
		}
	}
	return append(cases, planCase{Config: "20b", Context: 8192, KV: "f16", BindingBytes: 128 << 20, Software: true})
}

// counter stands for a device's memory and counts what is taken, rounded as a device does it.
type counter struct {
	free  int64
	taken int64
}

type countedBuffer struct {
	c     *counter
	bytes int64
}

func (c *counter) newBuffer(_ string, nBytes int64, usage gpu.Usage) (*countedBuffer, error) {
	align := int64(4)
	if usage == gpu.Uniform {
		align = 16
	}
	n := (nBytes + align - 1) / align * align
	if n > c.free {
		return nil, gpu.ErrOutOfMemory
	}
	c.free -= n
	c.taken += n
	return &countedBuffer{c, n}, nil
}

func (b *countedBuffer) Bytes() int64 { return b.bytes }

func (b *countedBuffer) Release() {
	b.c.free += b.bytes
	b.c.taken -= b.bytes
}

// TestPlanIsWhatIsAllocated carries plans out on a device that only counts, and compares them with testdata/plans.json.
func TestPlanIsWhatIsAllocated(t *testing.T) {
	got := planFile{Configs: map[string]json.RawMessage{}, Cases: planCases()}
	configs := map[string]*gptoss.Config{}
	for _, name := range []string{"20b", "120b", "default"} {
		c, err := checkpointtest.Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		configs[name] = c
		if got.Configs[name], err = checkpointtest.ConfigJSON(c); err != nil {
			t.Fatal(err)
		}
	}
	for i := range got.Cases {
		c := &got.Cases[i]
		config := configs[c.Config]
		c.Needs = int64(sort.Search(1<<31, func(n int) bool {
			_, err := c.plan(config, int64(n))
			return err == nil
		}))
		p, err := c.plan(config, c.BindingBytes)
		if (err == nil) != (c.BindingBytes >= c.Needs) {
			t.Errorf("%+v: %v", *c, err)
		}
		if err != nil {
			continue
		}
		f := p.Footprint()
		device := &counter{free: 1 << 40}
		made, _, err := allocate(p, device.newBuffer)
		if err != nil || device.taken != f.total() || len(made) != len(p.list) {
			t.Errorf("%+v: %d bytes in %d buffers are taken, the plan has %d in %d; error %v", *c, device.taken, len(made), f.total(), len(p.list), err)
		}
		pages := (c.Context + kv.PageTokens - 1) / kv.PageTokens
		c.Plan = &planned{
			Weights: f.Weights, KV: f.KV, KVPerToken: f.PerToken, KVFixed: f.KV - int64(pages)*kv.PageTokens*f.PerToken,
			Scratch: f.Scratch, Total: f.total(), ReadPerToken: weightBytesRead(config),
		}
	}
	data, err := json.MarshalIndent(got, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	data = append(data, '\n')
	testenv.Examples(t, "plans.json", data)
}

// TestLoadTakesWhatThePlanSays compares the device's count of a loaded model with its plan.
func TestLoadTakesWhatThePlanSays(t *testing.T) {
	dev := gputest.Open(t, gpu.Options{})
	dir, o := write(t, nil), Options{Context: 1000, Chunk: 64, Rows: 2}
	plan, err := NewPlan(open(t, dir).Config(), dev.Caps(), o)
	if err != nil {
		t.Fatal(err)
	}
	before := dev.Stats()
	m := loadDir(t, dev, dir, o)
	s := newSequence(t, m)
	extend(t, s, text(m, 100, 1))
	m.programs.release() // with the parameters of their dispatches, which are not planned
	after := dev.Stats()
	if got := after.LiveBytes - before.LiveBytes; got != plan.Footprint().total() || m.Footprint() != plan.Footprint() {
		t.Errorf("%d bytes are taken, the plan says %d (%s), the model %s", got, plan.Footprint().total(), plan.Footprint(), m.Footprint())
	}
	if got := after.LiveBuffers - before.LiveBuffers; got != int64(len(plan.list)) {
		t.Errorf("%d buffers are made, the plan has %d", got, len(plan.list))
	}
}

// TestContextIsHalvedWhereMemoryIsShort: only if it was left to the model, and never for want of memory for weights.
func TestContextIsHalvedWhereMemoryIsShort(t *testing.T) {
	c, err := checkpointtest.Preset("20b")
	if err != nil {
		t.Fatal(err)
	}
	plan := func(context int) Plan {
		t.Helper()
		p, err := NewPlan(c, gpu.Caps{MaxBindingBytes: 2 << 30, MaxBufferBytes: 2 << 30}, Options{Context: context})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, k := range []struct{ asked, free, want int }{
		{0, int(plan(131072).Footprint().total()), 131072},
		{0, int(plan(131072).Footprint().total()) - 4, 65536},
		{0, int(plan(8192).Footprint().total()), 8192},
		{0, int(plan(8192).Footprint().total()) - 4, 0},
		{16384, int(plan(16384).Footprint().total()) - 4, 0},
		{0, 1 << 30, 0},
	} {
		device := &counter{free: int64(k.free)}
		made, p, err := allocate(plan(k.asked), device.newBuffer)
		if k.want == 0 {
			if !errors.Is(err, gpu.ErrOutOfMemory) || device.taken != 0 || made != nil {
				t.Errorf("%+v: error %v, %d bytes are left", k, err, device.taken)
			}
			continue
		}
		if err != nil || p.context != k.want || device.taken != p.Footprint().total() {
			t.Errorf("%+v: context %d, %d bytes are taken of %d; error %v", k, p.context, device.taken, p.Footprint().total(), err)
		}
	}
}

// TestAllocationThatDiffersFromThePlanFails where a device takes more than it was asked for.
func TestAllocationThatDiffersFromThePlanFails(t *testing.T) {
	c, err := checkpointtest.Preset("default")
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPlan(c, gpu.Caps{MaxBindingBytes: 1 << 30, MaxBufferBytes: 1 << 30}, Options{Context: 1024})
	if err != nil {
		t.Fatal(err)
	}
	device := &counter{free: 1 << 40}
	_, _, err = allocate(p, func(label string, nBytes int64, usage gpu.Usage) (*countedBuffer, error) {
		return device.newBuffer(label, nBytes+4, usage)
	})
	if err == nil || device.taken != 0 {
		t.Errorf("error %v, %d bytes are left", err, device.taken)
	}
}

// TestRoomIsApartFromTheContext: texts fill what there is for all of them together, each no more than its context.
func TestRoomIsApartFromTheContext(t *testing.T) {
	const context, all = 200, 1024
	m := loadSmall(t, Options{Context: context, KVTokens: all, Chunk: 64, Sequences: 5})
	if want := all/kv.PageTokens + 5; m.Limits().Pages != want || m.Context() != context {
		t.Errorf("%d pages and a context of %d, want %d and %d", m.Limits().Pages, m.Context(), want, context)
	}
	var texts []*sequence
	for i := range 5 { // two pages each, where one context has two and a few
		s := newSequence(t, m)
		prefill(t, s, text(m, context-1, uint32(i)))
		texts = append(texts, s)
	}
	if free := m.FreePages(); free != all/kv.PageTokens+5-10 {
		t.Errorf("%d pages are free", free)
	}
	for i, s := range texts {
		extend(t, s, []int32{1})
		if err := s.Extend(t.Context(), []int32{1}); !errors.Is(err, engine.ErrContextFull) {
			t.Errorf("text %d beyond its context: %v", i, err)
		}
	}
	own := logits(t, m, texts[4])
	texts[0].Close()
	closeRows(t, "the last", own, fresh(t, m, texts[4].tokens), float32Limit)
	for _, o := range []Options{{Context: 200, KVTokens: 199}, {Context: 200, KVTokens: 1 << 40}} {
		if _, err := NewPlan(m.cfg, m.dev.Caps(), o); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("room for %d tokens", o.KVTokens)) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	p, err := NewPlan(m.cfg, m.dev.Caps(), Options{KVTokens: 4096})
	if err != nil || p.context > 4096 {
		t.Errorf("without a context it is %d; %v", p.context, err)
	}
}
