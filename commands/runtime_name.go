package commands

import (
	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/runtime"
)

// runtimeName is the value of --runtime: a kind of runtime, or auto.
type runtimeName string

const (
	runtimeAuto    runtimeName = "auto"
	runtimeDocker              = runtimeName(runtime.Docker)
	runtimeProcess             = runtimeName(runtime.Process)
)

// register adds --runtime.
func (r *runtimeName) register(cmd *cobra.Command) {
	choiceVar(cmd.Flags(), r, "runtime", "", "`runtime` of functions", runtimeAuto, runtimeDocker, runtimeProcess)
}
