package runtime

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/engine"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/gpu"
	"gossamer/runtime/model"
	"gossamer/runtime/ref"
	"gossamer/runtime/tokenizer"
)

// loaded is a backend that holds a model.
type loaded struct {
	info  Info                                       // what the backend knows of it
	again func(ctx context.Context) (*loaded, error) // loads the same model on another device; nil: that is not possible

	mu      sync.Mutex
	backend engine.Backend
	device  *gpu.Device // below the backend, if it was opened for it
	closed  bool
}

// current is the backend at this time.
func (l *loaded) current() engine.Backend {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.backend
}

func (l *loaded) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	err := l.backend.Close()
	if l.device != nil {
		l.device.Close()
	}
	return err
}

// rebuild is engine.Options.Rebuild: it loads the model on another device in place of one that is lost.
func (l *loaded) rebuild(ctx context.Context) (engine.Backend, error) {
	l.close() // what fails on a lost device is of no interest
	fresh, err := l.again(ctx)
	if err != nil {
		return nil, fmt.Errorf("runtime: the device was lost, and loading the model again failed: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.backend, l.device, l.closed = fresh.backend, fresh.device, false
	return l.backend, nil
}

// survives makes l able to rebuild, if its device was opened for it.
func (l *loaded) survives(ck *checkpoint.Checkpoint, o Options) {
	if l.device == nil {
		return
	}
	o.Progress = nil
	l.again = func(ctx context.Context) (*loaded, error) {
		o.Logger.WarnContext(ctx, "the device was lost: the model is loaded again", "adapter", l.info.Adapter)
		p, err := choosePlace(ctx, &o)
		if err != nil {
			return nil, err
		}
		if p.device == nil {
			return nil, errors.New(p.reason)
		}
		fresh, err := loadWebGPU(ctx, ck, p, &o)
		if err != nil {
			p.close()
		}
		return fresh, err
	}
}

// place is where a model is to be computed.
type place struct {
	device *gpu.Device // nil: the CPU
	opened bool        // the device was opened for the model
	reason string      // with Auto and the CPU: why not WebGPU
}

func (p *place) close() {
	if p.opened {
		p.device.Close()
	}
}

// choosePlace opens what Options ask for, before anything of the model is read. With Auto only errors of the device lead to the CPU,
// and no adapter that the user has named is replaced.
func choosePlace(ctx context.Context, o *Options) (*place, error) {
	if o.Backend == CPU {
		return &place{}, nil
	}
	if o.Device != nil {
		return &place{device: o.Device}, nil
	}
	auto := o.Backend == Auto && o.Adapter == ""
	dev, err := gpu.Open(ctx, gpu.Options{Adapter: o.Adapter, NoSoftware: auto, MaxBindingBytes: o.MaxBindingBytes})
	switch {
	case err == nil:
		return &place{device: dev, opened: true}, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case !auto:
		return nil, err
	}
	return &place{reason: err.Error()}, nil
}

// load places a checkpoint's weights. What fails closes p.
func load(ctx context.Context, ck *checkpoint.Checkpoint, p *place, o *Options) (*loaded, error) {
	if n := ck.Config().MaxPositions; o.Context > n {
		p.close()
		return nil, fmt.Errorf("runtime: a context of %d tokens: the model was made for %d at most", o.Context, n)
	}
	var gpuErr error
	if p.device != nil {
		var l *loaded
		if l, gpuErr = loadWebGPU(ctx, ck, p, o); gpuErr == nil {
			l.survives(ck, *o)
			return l, nil
		}
		p.close()
		if o.Backend == WebGPU || o.Adapter != "" || ctx.Err() != nil || errors.As(gpuErr, new(*checkpoint.ReadError)) {
			return nil, gpuErr
		}
		o.Logger.WarnContext(ctx, "WebGPU does not work here, so the CPU computes, slowly", "reason", gpuErr)
		p.reason = gpuErr.Error()
	}
	l, err := loadCPU(ctx, ck, o)
	if err != nil {
		return nil, errors.Join(gpuErr, err)
	}
	l.info.Reason = p.reason
	return l, nil
}

// openPlayback makes what plays a file in place of a model.
func openPlayback(o *Options) (*loaded, *tokenizer.Tokenizer, error) {
	tok, err := openTokenizer(o)
	if err != nil {
		return nil, nil, err
	}
	b, err := o.Playback(tok, o.Context)
	if err != nil {
		return nil, nil, err
	}
	return &loaded{backend: b, info: Info{Backend: Playback}}, tok, nil
}

func loadWebGPU(ctx context.Context, ck *checkpoint.Checkpoint, p *place, o *Options) (*loaded, error) {
	dev := p.device
	info := Info{Backend: WebGPU, Adapter: dev.Caps().Adapter.String(), KV: F16}
	precision := model.F16
	if o.KV == F32 {
		info.KV, precision = F32, model.F32
	}
	matrices := map[Matrices]model.Matrices{"": model.TwoTerms, TwoTerms: model.TwoTerms, OneTerm: model.OneTerm, NoMatrices: model.NoMatrices}
	m, err := model.Load(ctx, dev, ck, model.Options{
		Context: o.Context, KVTokens: o.KVTokens, ResumeBytes: o.ResumeBytes, KV: precision, Rows: o.Rows, Sequences: o.MaxSequences,
		Deterministic: o.Deterministic, Matrices: matrices[o.Matrices], Progress: o.Progress, WarmUp: dev.Caps().AsyncCompile,
	})
	if err != nil {
		return nil, err
	}
	if reason := m.MatricesRefused(); reason != nil {
		o.Logger.WarnContext(ctx, "products are computed without matrices", "reason", reason)
	}
	if !p.opened {
		dev = nil
	}
	return &loaded{backend: m, info: info, device: dev}, nil
}

// GPUMemory is what a model takes of a GPU, in bytes, as Open loads it without options but the context, on a device with WebGPU's default
// limits.
func GPUMemory(c *gptoss.Config, context int) (model.Footprint, error) {
	o := Options{Context: context}
	if err := o.check(); err != nil {
		return model.Footprint{}, err
	}
	p, err := model.NewPlan(c, gpu.Caps{MaxBindingBytes: 128 << 20, MaxBufferBytes: 256 << 20}, model.Options{
		Context: o.Context, Rows: o.Rows, Sequences: o.MaxSequences,
	})
	if err != nil {
		return model.Footprint{}, err
	}
	return p.Footprint(), nil
}

func loadCPU(ctx context.Context, ck *checkpoint.Checkpoint, o *Options) (*loaded, error) {
	info := Info{Backend: CPU, KV: F32}
	if o.KV == F16 {
		info.KV = F16
	}
	m, err := ref.Load(ctx, ck, ref.Options{Context: o.Context, KVF16: o.KV == F16, Progress: o.Progress})
	if err != nil {
		return nil, err
	}
	return &loaded{backend: m, info: info}, nil
}
