package grammar

import (
	"syscall/js"
	"time"
)

// cpuTime is the CPU time of Node, of which other programs take nothing away: that of its compiler and garbage collector is in it.
func cpuTime() time.Duration {
	used := js.Global().Get("process").Call("cpuUsage")
	return time.Duration(used.Get("user").Int()+used.Get("system").Int()) * time.Microsecond
}
