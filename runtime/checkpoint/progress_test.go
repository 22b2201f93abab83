package checkpoint

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestProgressOfAResumedDownload: what is read from the disk has no part in the rate and the time left.
func TestProgressOfAResumedDownload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const mb = 1_000_000
		missing := int64(400 * mb)
		s := Source{Missing: func() (bytes, total int64) { return missing, 1000 * mb }}
		m := s.meter(2000 * mb) // of packed bytes twice as many
		var last Progress
		report := func(p Progress) { last = p }
		if m.Phase != PhaseDownload || m.BytesHere != 1200*mb {
			t.Errorf("at the beginning: %+v", m.Progress)
		}
		for range 60 { // 6 s at 200 MB/s
			time.Sleep(time.Second / 10)
			m.Add(20*mb, report)
		}
		if last.Rate != 0 || last.ETA != 0 {
			t.Errorf("nothing has come from the network: %+v", last)
		}
		for range 100 { // 100 s at 2 MB/s
			time.Sleep(time.Second)
			missing -= 2 * mb
			m.Add(4*mb, report)
		}
		if last.Rate < 1.9*mb || last.Rate > 2.1*mb || last.ETA < 95*time.Second || last.ETA > 105*time.Second {
			t.Errorf("halfway at 2 MB/s: %+v", last)
		}
		if m := (&Source{}).meter(5); m.Phase != phaseWeights || m.BytesHere != 0 || m.BytesTotal != 5 {
			t.Errorf("without a network: %+v", m.Progress)
		}
	})
}
