package main

import (
	"testing"
	"time"

	"gossamer/runtime/checkpoint"
)

func TestDescribeProgress(t *testing.T) {
	for want, p := range map[string]checkpoint.Progress{
		"weights: 0.0 kB of 13.76 GB": {Phase: "weights", BytesTotal: 13_761_000_000},
		"download: 8.20 GB of 13.76 GB (8.10 GB were here), 12.1 MB/s, 7m40s left": {Phase: "download", BytesDone: 8_200_000_000, BytesTotal: 13_761_000_000, BytesHere: 8_100_000_000, Rate: 12.1e6, ETA: 460 * time.Second},
		"weights: 12.3 MB of 104.2 MB, 850.0 kB/s":                                 {Phase: "weights", BytesDone: 12_300_000, BytesTotal: 104_200_000, Rate: 850e3},
	} {
		if got := describeProgress(p); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
