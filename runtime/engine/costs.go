package engine

import "time"

// costs are what steps took. The times are smoothed: a step may be disturbed by anything.
type costs struct {
	decode time.Duration // one draw of all rows
	token  time.Duration // of a prompt, in a piece
	queued int           // tokens of the piece that the device still computes when a step's draws are known
}

const smooth = 0.2 // weight of the last measurement

// took notes that a step was done a time after the one before: draws of some rows, or a piece alone.
func (c *costs) took(d time.Duration, draws, tokens int) {
	switch {
	case draws > 0 && c.queued == 0:
		c.decode = blend(c.decode, d/time.Duration(draws))
	case draws > 0:
		if rest := d - c.decode*time.Duration(draws); rest > 0 {
			c.token = blend(c.token, rest/time.Duration(c.queued))
		}
	case c.queued+tokens > 0:
		c.token = blend(c.token, d/time.Duration(c.queued+tokens))
	}
	c.queued = 0
	if draws > 0 {
		c.queued = tokens
	}
}

func blend(old, last time.Duration) time.Duration {
	if old == 0 {
		return last
	}
	return old + time.Duration(smooth*float64(last-old))
}

// piece is the number of tokens of a prompt that fit into a step of the given time beside a draw, at least least. Before anything was
// measured it is least.
func (c *costs) piece(interval time.Duration, least int) int {
	if c.token == 0 || c.decode == 0 {
		return least
	}
	return max(least, int((interval-c.decode)/c.token))
}
