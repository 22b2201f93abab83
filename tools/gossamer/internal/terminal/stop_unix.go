//go:build unix

package terminal

import (
	"os"
	"os/signal"
	"syscall"
)

// stopProcess stops the process group, as Ctrl-Z does, and returns when it is continued.
func stopProcess() {
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	defer signal.Stop(continued)
	if syscall.Kill(0, syscall.SIGTSTP) == nil {
		<-continued
	}
}
