package commands

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/schema"
)

// deployFlags say what is added to the functions that are deployed, and how.
// All commands that deploy share them.
type deployFlags struct {
	fprocess    string
	env         []string
	labels      []string
	annotations []string
	constraints []string
	secrets     []string
	readOnly    bool
	resources   resourceFlags

	replace      bool
	update       bool
	readTemplate bool
	timeout      time.Duration // of one request; also of the wait for one function
	wait         bool
	parallel     int // set by the command: --parallel may mean more there
}

func (o *deployFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.fprocess, "fprocess", "", "`command` that the watchdog runs, instead of the function's own")
	f.BoolVar(&o.readTemplate, "read-template", true, "take the command of functions without one from their template")
	o.registerShared(cmd)
}

// registerShared leaves out what is about functions of a stack file.
func (o *deployFlags) registerShared(cmd *cobra.Command) {
	f := cmd.Flags()
	listVar(f, &o.env, "env", "e", "environment variable `KEY=VALUE` (repeatable)")
	listVar(f, &o.labels, "label", "l", "label `KEY=VALUE` (repeatable)")
	listVar(f, &o.annotations, "annotation", "", "annotation `KEY=VALUE` (repeatable)")
	listVar(f, &o.constraints, "constraint", "", "placement `constraint`, for functions without any (repeatable)")
	listVar(f, &o.secrets, "secret", "", "`name` of a secret that the function may read (repeatable)")
	f.BoolVar(&o.readOnly, "readonly", false, "make the root file system read-only")
	o.resources.register(cmd)
	f.BoolVar(&o.replace, "replace", false, "remove each function first, then create it (needs --update=false)")
	f.BoolVar(&o.update, "update", true, "update a function that exists, by rolling update")
	f.DurationVar(&o.timeout, "timeout", gateway.DefaultTimeout, "longest `time` for a request and, with --wait, until a function is ready")
	f.BoolVar(&o.wait, "wait", false, "wait until the functions are ready")
}

func (o deployFlags) validate() error {
	if o.replace && o.update {
		return usagef("--replace and --update cannot be used together: give --replace --update=false to remove and create, or --update alone for a rolling update")
	}
	if o.timeout < 0 {
		return usagef("--timeout must not be negative, got %s", o.timeout)
	}
	return checkParallel(o.parallel)
}

// deployPairs are the flags that are maps.
type deployPairs struct{ env, labels, annotations map[string]string }

func (o deployFlags) pairs() (deployPairs, error) {
	var p deployPairs
	var err error
	if p.env, err = parsePairs("env", o.env); err != nil {
		return p, err
	}
	if p.labels, err = parsePairs("label", o.labels); err != nil {
		return p, err
	}
	p.annotations, err = parsePairs("annotation", o.annotations)
	return p, err
}

// resourceFlags are the amounts that a function may use, or reserves.
type resourceFlags struct {
	cpuLimit, cpuRequest, memoryLimit, memoryRequest string
}

func (o *resourceFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.cpuLimit, "cpu-limit", "", "`quantity` of CPU that a replica may use, such as 500m")
	f.StringVar(&o.cpuRequest, "cpu-request", "", "`quantity` of CPU that is reserved for a replica, such as 100m")
	f.StringVar(&o.memoryLimit, "memory-limit", "", "`quantity` of memory that a replica may use, such as 128Mi")
	f.StringVar(&o.memoryRequest, "memory-request", "", "`quantity` of memory that is reserved for a replica, such as 64Mi")
}

// limits and requests are nil where nothing is stated.
func (o resourceFlags) limits() *schema.FunctionResources {
	return resources(o.cpuLimit, o.memoryLimit)
}

func (o resourceFlags) requests() *schema.FunctionResources {
	return resources(o.cpuRequest, o.memoryRequest)
}

func resources(cpu, memory string) *schema.FunctionResources {
	if cpu == "" && memory == "" {
		return nil
	}
	return &schema.FunctionResources{CPU: cpu, Memory: memory}
}

// stackLimits and stackRequests are the same for a stack file.
func (o resourceFlags) stackLimits() *schema.StackResources {
	return stackResources(o.cpuLimit, o.memoryLimit)
}

func (o resourceFlags) stackRequests() *schema.StackResources {
	return stackResources(o.cpuRequest, o.memoryRequest)
}

func stackResources(cpu, memory string) *schema.StackResources {
	if cpu == "" && memory == "" {
		return nil
	}
	return &schema.StackResources{CPU: cpu, Memory: memory}
}

// given names the flags that were used.
func (o resourceFlags) given() []string {
	var names []string
	for _, f := range []struct{ name, value string }{
		{"--cpu-limit", o.cpuLimit}, {"--cpu-request", o.cpuRequest},
		{"--memory-limit", o.memoryLimit}, {"--memory-request", o.memoryRequest},
	} {
		if f.value != "" {
			names = append(names, f.name)
		}
	}
	return names
}
