package checkpoint

import (
	"math"
	"time"
)

// Phases of work, as Progress names them.
const (
	phaseWeights  = "weights"  // bytes go from the disk, or out of the program, to where they are used
	PhaseDownload = "download" // the same, and some of them come from a server first
	PhasePack     = "pack"     // tensors become chunks
	PhaseVerify   = "verify"   // chunks are compared with their hashes
)

// Progress says how far a long piece of work is.
type Progress struct {
	Phase      string
	BytesDone  int64
	BytesTotal int64
	BytesHere  int64         // of the total: what an earlier download left, at the beginning
	Rate       float64       // bytes per second, recently, of a download those from the network; 0 if not yet known
	ETA        time.Duration // until the end at this rate; 0 if not yet known
}

// Meter counts bytes and fills in rates. Its zero value is ready once Phase and BytesTotal are set.
type Meter struct {
	Progress
	last  time.Time
	bytes int64 // since last

	missing func() (bytes, total int64) // of a download
	left    int64                       // what was missing at last
}

// rateTime is how far back a rate looks: the weight of older bytes falls to 1/e.
const rateTime = 5 * time.Second

// maxETA is in seconds. A longer time says no more than that nothing comes.
const maxETA = 1e6

// Add counts n bytes and calls report, if not nil.
func (m *Meter) Add(n int64, report func(Progress)) {
	m.BytesDone += n
	if report == nil {
		return
	}
	m.bytes += n
	now := time.Now()
	if m.last.IsZero() {
		m.last, m.bytes = now, 0
	} else if d := now.Sub(m.last); d > rateTime/20 {
		left := m.BytesTotal - m.BytesDone
		if m.missing != nil {
			left, _ = m.missing()
			m.bytes, m.left = m.left-left, left
		}
		rate := float64(m.bytes) / d.Seconds()
		if m.Rate > 0 {
			rate = m.Rate + (rate-m.Rate)*(1-math.Exp(-d.Seconds()/rateTime.Seconds()))
		}
		m.last, m.bytes, m.Rate = now, 0, rate
		m.ETA = 0
		if seconds := float64(left) / rate; seconds < maxETA {
			m.ETA = time.Duration(seconds * float64(time.Second)).Round(time.Second)
		}
	}
	report(m.Progress)
}
