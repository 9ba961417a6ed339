package commands

import "github.com/spf13/cobra"

func newDoctorCmd(_ *Env) *cobra.Command { return laterCmd("doctor") }
