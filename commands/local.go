package commands

import "github.com/spf13/cobra"

func newLocalCmd(env *Env) *cobra.Command {
	return newGroupCmd("local", "Run an OpenFaaS platform on this machine",
		`Run an OpenFaaS-compatible platform on this machine, with no cluster and no
container engine: functions of the native builder run as processes of yours.
Where a container engine answers, other images run as containers.

The platform listens on 127.0.0.1 only and wants a password for everything but
calling functions; commands of the same user find it by themselves. A function
that runs as a process is no sandbox: it can do what you can.`,
		"  faas-cli local start\n  faas-cli local status\n  faas-cli local stop",
		newLocalStartCmd(env),
		newLocalStopCmd(env),
		newLocalStatusCmd(env),
		newLocalLogsCmd(env),
		newLocalPasswordCmd(env),
		newLocalExecCmd(env),
		newLocalRegistryCmd(env),
		newLocalSuperviseCmd(env),
	)
}
