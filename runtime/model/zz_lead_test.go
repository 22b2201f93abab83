package model
import ("testing";"context";"gossamer/runtime/gpu";"gossamer/runtime/gpu/gputest";"gossamer/runtime/engine")
func BenchmarkParts(b *testing.B) {
	dev := gputest.Open(b, gpu.Options{})
	m := loadDir(b, dev, "/root/.cache/gossamer/random-1", Options{})
	s := newSequence(b, m)
	ctx := context.Background()
	if err := s.Extend(ctx, []int32{1,2,3}); err != nil { b.Fatal(err) }
	b.Run("head", func(b *testing.B){ p, _ := m.headProgram(1); for b.Loop() { dev.Submit(ctx, p); dev.Wait(ctx) } })
	b.Run("sample", func(b *testing.B){
		p := dev.NewProgram("s"); k,_ := m.rowKernels(1); sc := &m.scratch.decode
		k.sample.Record(p, kernelSampleArgs(sc))
		for b.Loop() { dev.Submit(ctx, p); dev.Wait(ctx) } })
	b.Run("decode", func(b *testing.B){ for b.Loop() { if err := s.Decode(ctx, 1, engine.DeviceSampling{}, func(int32) bool {return true}); err != nil { b.Fatal(err) } } })
}
