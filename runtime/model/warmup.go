package model

import "context"

// firstPrompt is how many tokens the first prompt of a conversation has at most, if it is short.
const firstPrompt = 128

// WarmUp records the programs that prompts need, for which the device's compiler takes a while, so that the first prompt does not
// wait for it. In a browser compilers work beside everything else: WarmUp returns before they are done, and a prompt that comes
// earlier only waits for its own program. It may be called at any time, and ctx ends it between two programs.
func (m *Model) WarmUp(ctx context.Context) error {
	for _, n := range []int{firstPrompt, 32, 16, m.chunk} { // after the first prompt comes what the user adds
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
