package runtime

import (
	"context"
	"errors"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/engine"
	"gossamer/runtime/gpu"
	"gossamer/runtime/model"
	"gossamer/runtime/ref"
)

// loaded is a backend that holds a model.
type loaded struct {
	backend engine.Backend
	info    Info        // what the backend knows of it
	device  *gpu.Device // below the backend, if it was opened for it
}

func (l *loaded) close() error {
	err := l.backend.Close()
	if l.device != nil {
		l.device.Close()
	}
	return err
}

// load places a checkpoint's weights where Options say.
func load(ctx context.Context, ck *checkpoint.Checkpoint, o *Options) (*loaded, error) {
	if o.Backend == CPU {
		return loadCPU(ctx, ck, o)
	}
	l, gpuErr := loadWebGPU(ctx, ck, o)
	if gpuErr == nil || o.Backend == WebGPU || ctx.Err() != nil {
		return l, gpuErr
	}
	o.Logger.WarnContext(ctx, "webgpu does not work, the cpu does it slowly", "reason", gpuErr)
	l, err := loadCPU(ctx, ck, o)
	if err != nil {
		return nil, errors.Join(gpuErr, err)
	}
	l.info.Reason = gpuErr.Error()
	return l, nil
}

func loadWebGPU(ctx context.Context, ck *checkpoint.Checkpoint, o *Options) (*loaded, error) {
	dev, opened := o.Device, (*gpu.Device)(nil)
	if dev == nil {
		var err error
		if dev, err = gpu.Open(ctx, gpu.Options{Adapter: o.Adapter, MaxBindingBytes: o.MaxBindingBytes}); err != nil {
			return nil, err
		}
		opened = dev
	}
	info := Info{Backend: WebGPU, Adapter: dev.Caps().Adapter.String(), KV: F16}
	precision := model.F16
	if o.KV == F32 {
		info.KV, precision = F32, model.F32
	}
	m, err := model.Load(ctx, dev, ck, model.Options{
		Context: o.Context, KV: precision, Sequences: o.MaxSequences, Progress: o.Progress, WarmUp: dev.Caps().AsyncCompile,
	})
	if err != nil {
		if opened != nil {
			opened.Close()
		}
		return nil, err
	}
	return &loaded{m, info, opened}, nil
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
	return &loaded{m, info, nil}, nil
}
