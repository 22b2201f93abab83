package gpu_test

import (
	"context"
	"encoding/binary"
	"math"
	"runtime"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
)

func TestBuffersStartAsZerosAndRoundUp(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	b, u := newBuffer(t, d, "b", 1001, gpu.Storage), newBuffer(t, d, "u", 17, gpu.Uniform)
	if b.Bytes() != 1004 || u.Bytes() != 32 {
		t.Errorf("sizes %d and %d, want 1004 and 32", b.Bytes(), u.Bytes())
	}
	for i, w := range readWords(t, d, b, 251) {
		if w != 0 {
			t.Fatalf("word %d of a new buffer is %#x", i, w)
		}
	}
}

// A buffer is compared with a byte slice that is written in the same way.
func TestWritesAndReadsAreBytes(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	const n = 4096
	b := newBuffer(t, d, "b", n, gpu.Storage)
	rapid.Check(t, func(r *rapid.T) {
		gputest.Poison(t, b, 0xdeadbeef)
		want := make([]byte, n)
		for i := range want {
			want[i] = []byte{0xef, 0xbe, 0xad, 0xde}[i%4]
		}
		for range rapid.IntRange(1, 4).Draw(r, "writes") {
			off := rapid.IntRange(0, n/4-1).Draw(r, "word") * 4
			p := rapid.SliceOfN(rapid.Byte(), 0, min(n-off, 40)).Draw(r, "bytes")
			if err := d.Write(b, int64(off), p); err != nil {
				r.Fatal(err)
			}
			copy(want[off:], p)
			for i := len(p); i%4 != 0; i++ { // the rest of the last word
				want[off+i] = 0
			}
		}
		off := rapid.IntRange(0, n/4-1).Draw(r, "from") * 4
		got := make([]byte, rapid.IntRange(0, n-off).Draw(r, "count"))
		if err := d.Read(context.Background(), b, int64(off), got); err != nil {
			r.Fatal(err)
		}
		if string(got) != string(want[off:off+len(got)]) {
			r.Fatalf("read %d bytes at %d: got %x, want %x", len(got), off, got, want[off:off+len(got)])
		}
	})
}

// Writes beyond the flush limit and reads beyond the staging limit arrive whole.
func TestLargeWriteAndRead(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	const n, rounds = 40 << 20, 6 // 240 MiB written, flushed at every 64
	b := newBuffer(t, d, "large", n, gpu.Storage)
	p := make([]byte, n)
	for round := range rounds {
		for i := 0; i < n; i += 4 {
			binary.LittleEndian.PutUint32(p[i:], uint32(i*rounds+round))
		}
		if err := d.Write(b, 0, p); err != nil {
			t.Fatal(err)
		}
	}
	for i, w := range readWords(t, d, b, n/4) {
		if want := uint32(4*i*rounds + rounds - 1); w != want {
			t.Fatalf("word %d is %d, want %d", i, w, want)
		}
	}
}

func TestReleasedBuffersAreNotLive(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	before := d.Stats()
	for i := range 300 {
		b, err := d.NewBuffer("short-lived", 16<<20, gpu.Storage) // 4.7 GiB in all
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Write(b, 0, []byte{1, 2, 3, 4}); err != nil {
			t.Fatal(err)
		}
		if live := d.Stats().LiveBytes - before.LiveBytes; live != 16<<20 {
			t.Fatalf("cycle %d: %d bytes live, want %d", i, live, 16<<20)
		}
		b.Release()
		b.Release() // is harmless
	}
	if after := d.Stats(); after.LiveBytes != before.LiveBytes || after.LiveBuffers != before.LiveBuffers {
		t.Errorf("%d buffers of %d bytes live, want %d of %d", after.LiveBuffers, after.LiveBytes, before.LiveBuffers, before.LiveBytes)
	}
}

// The older binding panics if a garbage collection falls between MapAsync and Poll; see wgpu_cogentcore.go.
func TestGarbageCollectionDuringReads(t *testing.T) {
	if runtime.GOOS == "js" {
		t.Skip("the only thread either collects garbage or runs JavaScript's promises")
	}
	d := gputest.Open(t, gpu.Options{})
	p, x := newCounter(t, d)
	stop := make(chan struct{})
	var collector sync.WaitGroup
	collector.Go(func() {
		var garbage [][]byte
		for {
			select {
			case <-stop:
				return
			default:
				garbage = garbage[:0]
				for range 1000 { // small ones, which reuse what a collection freed
					garbage = append(garbage, make([]byte, 8))
				}
				runtime.GC()
			}
		}
	})
	for i := range 300 {
		if err := d.Submit(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if got := readWords(t, d, x, 64)[63]; got != uint32(i+1) {
			t.Fatalf("after %d submits the count is %d", i+1, got)
		}
	}
	close(stop)
	collector.Wait()
}

func TestRefusedBuffers(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	most := d.Caps().MaxBufferBytes
	_, err := d.NewBuffer("monster", most+1, gpu.Storage)
	wantError(t, err, nil, `gpu: buffer "monster" of `, ": the device allows ")
	_, err = d.NewBuffer("overflow", math.MaxInt64, gpu.Storage)
	wantError(t, err, nil, `gpu: buffer "overflow" of `, ": the device allows ")
	_, err = d.NewBuffer("nothing", 0, gpu.Storage)
	wantError(t, err, nil, `gpu: buffer "nothing" of 0 bytes: want at least 1`)
	_, err = d.NewBuffer("constants", 1<<20, gpu.Uniform)
	wantError(t, err, nil, `gpu: uniform buffer "constants" of 1 MiB: the device allows uniforms of 65536 bytes`)
}

func BenchmarkRead4(b *testing.B) {
	d := gputest.Open(b, gpu.Options{})
	x := newBuffer(b, d, "x", 256, gpu.Storage)
	dst := make([]byte, 4)
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Read(b.Context(), x, 0, dst); err != nil {
			b.Fatal(err)
		}
	}
}
