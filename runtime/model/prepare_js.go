package model

import (
	"sync"

	"gossamer/runtime/engine"
)

// preparer does nothing in a browser, which compiles beside everything else anyway and serves one row.
type preparer struct{ *programs }

func newPreparer(p *programs, _ *sync.Mutex) *preparer { return &preparer{p} }

func (p *preparer) stop() {}

func (p *preparer) decodeWidth(n, _ int, _ sampling) int { return p.paddedRows(n) }

func (p *preparer) chunkClass(n int) int { return p.prefillClass(n) }

// Ready is always true.
func (m *Model) Ready(*engine.Step) bool { return true }
