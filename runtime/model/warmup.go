package model

import "context"

// WarmUp records the programs that prompts need, for which the device's compiler takes a while, so that the first prompt does not
// wait for it. In a browser compilers work beside everything else: WarmUp returns before they are done, and a prompt that comes
// earlier only waits for its own program. It may be called at any time, and ctx ends it between two programs.
func (m *Model) WarmUp(ctx context.Context) error {
	// The first prompt of a conversation has about a hundred tokens, the next ones are what the user adds.
	for _, n := range []int{128, 32, 16, m.chunk} {
		if err := m.warmUp(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (m *Model) warmUp(ctx context.Context, n int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.closed {
		return errClosed
	}
	_, err := m.prefillProgram(m.prefillClass(n))
	return err
}
