package engine

import "errors"

// maxLosses is how often a reply may meet the loss of the device without getting a token in between: it may be what loses it.
const maxLosses = 3

// tellsLoss reports whether err tells that the device is lost and another one can be had, and remembers that.
func (l *loop) tellsLoss(err error) bool {
	var device interface{ DeviceLost() bool }
	if l.options.Rebuild == nil || !errors.As(err, &device) || !device.DeviceLost() {
		return false
	}
	l.lost = true
	return true
}

// survives reports whether a job that met err goes on.
func (l *loop) survives(j *job, err error) bool {
	if !l.tellsLoss(err) {
		return false
	}
	j.losses++
	return j.losses <= maxLosses
}

// rebuild takes another backend for one whose device is lost, as soon as there is a reply to compute. All texts are lost with the old one; the
// replies go back into the line, from which they go on as those that were put aside. It returns false if nobody waits for a reply.
func (l *loop) rebuild() bool {
	for len(l.active) > 0 {
		j := l.active[0]
		l.drop(j)
		l.putBack(j)
	}
	for len(l.parked) > 0 {
		l.note(l.evict(0))
	}
	if len(l.waiting) == 0 {
		l.publish()
		return false
	}
	b, err := l.options.Rebuild(l.closing)
	if err == nil {
		l.backend, l.limits, l.lost = b, b.Limits(), false
		return true
	}
	if l.closing.Err() != nil {
		return true
	}
	for len(l.waiting) > 0 {
		j := l.waiting[0]
		l.leaveLine(j)
		j.losses = maxLosses // another loss is the end as well
		l.conclude(j, event{err: err})
	}
	return true
}
