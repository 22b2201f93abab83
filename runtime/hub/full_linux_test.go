package hub

import (
	"testing"

	"gossamer/runtime/checkpoint/checkpointtest"
)

// TestNoRoom: a model that the disk has no room for is refused before a byte is downloaded.
func TestNoRoom(t *testing.T) {
	l := newLab(t)
	l.dir = checkpointtest.SmallDisk(t, "40m")
	l.reopen(t)
	p := l.plan(t, small)
	l.Requests()
	wantMatch(t, l.hub.CheckRoom(small, p.Left), `hub: openai/gpt-oss-20b takes 1\.0 MB more, and the disk of .*/hub has \d+\.\d MB free: make room, or name a directory on another disk in GOSSAMER_MODELS or --cache-dir`)
	wantMatch(t, p.Pull(t.Context(), nil), `hub: openai/gpt-oss-20b takes .*`)
	if asked := l.Requests(); len(asked) > 0 {
		t.Errorf("asked %v", asked)
	}
}

// TestDiskBecomesFull: where others fill the disk meanwhile, the pull ends in a sentence, and goes on where it was once there is room.
func TestDiskBecomesFull(t *testing.T) {
	l := newLab(t)
	l.dir = checkpointtest.SmallDisk(t, "600k")
	l.reopen(t)
	p := l.plan(t, small)
	l.Requests()
	wantMatch(t, (&transfer{Plan: p, pending: p.record()}).all(t.Context()),
		`checkpoint: write .*\.part: .*no space left on device: make room and run this again, what is complete is kept`)
	here := p.here()
	if here < 300_000 {
		t.Errorf("%d bytes were kept", here)
	}
	checkpointtest.ResizeDisk(t, l.dir, "100m")
	l.move(t)
	p = l.plan(t, small)
	if err := p.Pull(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	l.holds(t, l.find(t, small), l.Repos[small])
	sent := int64(0)
	for _, r := range l.Requests() {
		if r.CDN {
			sent += r.Sent
		}
	}
	if sent > p.Bytes-here {
		t.Errorf("%d bytes were sent, %d were missing", sent, p.Bytes-here)
	}
}
