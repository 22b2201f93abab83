//go:build !js

package gpu

// Natively there is no border to cross, and no one who tells of a loss by himself; see web_js.go.

func (*rawDevice) crossings() int64  { return 0 }
func (*rawDevice) watch(func(error)) {}
