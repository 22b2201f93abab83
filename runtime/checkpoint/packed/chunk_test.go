package packed

import (
	"testing"

	"github.com/klauspost/compress/zstd"

	"gossamer/runtime/checkpoint/checkpointtest"
)

// TestUnpackChecksSize: a frame that unpacks to more, or less, than the manifest says.
func TestUnpackChecksSize(t *testing.T) {
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	d, err := NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		bytes, raw int64
		want       string
	}{
		{1000, 1000, ""},
		{1000, 999, "checkpoint: chunk x: has 1000 bytes when unpacked, want 999: pack the model again"},
		{1000, 1001, "checkpoint: chunk x: has 1000 bytes when unpacked, want 1001: pack the model again"},
		{256 << 20, 1000, "checkpoint: chunk x: unpack: …"}, // never in memory: the limit is maxChunkBytes
	} {
		_, err := d.Unpack(&Chunk{URL: "x", Codec: Zstd, RawBytes: c.raw}, e.EncodeAll(make([]byte, c.bytes), nil), nil)
		if c.want != "" {
			checkpointtest.WantError(t, err, c.want)
		} else if err != nil {
			t.Error(err)
		}
	}
}
