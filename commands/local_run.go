package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/stack"
)

type localRunOptions struct {
	stack stackFlags
	build buildFlags

	name    string // argument
	buildIt bool
	env     map[string]string
	network string
	port    int
	host    string
	all     bool
	runtime runtimeName
	watch   bool

	debugPort int // 0: no debugger
}

func newLocalRunCmd(env *Env) *cobra.Command {
	var o localRunOptions
	cmd := &cobra.Command{
		Use:   "local-run [NAME]",
		Short: "Run a function by itself, without a gateway",
		Long: `Build one function of the stack file and run it on a port of this machine, with
its environment, limits and secrets, until it ends or Ctrl-C. NAME may be left
out where the stack file has a single function. With --all every function runs,
behind one port with the gateway's paths: /function/NAME.

Secrets come from the folder .secrets, a file each; only those that the function
lists are there for it, read-only. What was built without a container engine
runs as a process, everything else as a container.

With --watch functions are built and started again when their files change.`,
		Example: `  faas-cli local-run
  faas-cli local-run hello --port 3000 -e debug=true
  faas-cli local-run --all --watch
  faas-cli local-run hello --debug-port 5678
  faas-cli local-run hello --print`,
		Args: optionalArg("the NAME of a function"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.stack.complete(cmd)
			o.build.complete(env, cmd)
			if len(args) > 0 {
				o.name = args[0]
			}
			if err := o.validate(); err != nil {
				return err
			}
			err := runLocalRun(cmd.Context(), env, o)
			if err != nil && interrupted(cmd.Context()) {
				return nil // Ctrl-C is how it ends
			}
			return err
		},
	}
	o.stack.register(cmd)
	o.stack.registerSelection(cmd)
	o.build.register(cmd)
	f := cmd.Flags()
	f.Lookup("print").Usage = "print the docker run command that does the same, and stop"
	f.BoolVar(&o.buildIt, "build", true, "build the function first")
	f.StringToStringVarP(&o.env, "env", "e", nil, "environment variable `KEY=VALUE`, several with commas (repeatable)")
	f.Lookup("env").DefValue = "" // pflag would show []
	f.StringVar(&o.network, "network", "", "`network` of the container")
	f.IntVarP(&o.port, "port", "p", 8080, "`port` of this machine to listen on")
	f.StringVar(&o.host, "host", loopbackHost, "`address` of this machine to listen on; any but the loopback address lets other machines call the function")
	f.BoolVar(&o.all, "all", false, "run every function, behind one port")
	o.runtime.register(cmd)
	f.IntVar(&o.debugPort, "debug-port", 0, "run the function under the debugger of its template, which listens on `port` of this machine")
	f.BoolVar(&o.watch, "watch", false, "build and start again when files change")
	return cmd
}

const loopbackHost = "127.0.0.1"

func (o localRunOptions) validate() error {
	switch {
	case o.all && o.name != "":
		return usagef("give a function or --all, not both")
	case o.all && o.build.print:
		return usagef("--print shows one function, --all runs several")
	case o.debugPort != 0 && (o.all || o.build.print || o.runtime == runtimeDocker):
		return usagef("--debug-port is for one function that runs as a process: leave --all, --print and --runtime docker out")
	case o.debugPort != 0 && o.debugPort == o.port:
		return usagef("--debug-port %d is the port of the function itself", o.debugPort)
	}
	return cmp.Or(checkPort("debug-port", o.debugPort), checkPort("port", o.port), o.build.validate())
}

// runLocalRun prints, or builds and runs.
func runLocalRun(ctx context.Context, env *Env, o localRunOptions) error {
	if o.watch && !o.build.print {
		return env.watchLocally(ctx, o)
	}
	run, err := env.planLocalRun(ctx, o)
	if err != nil {
		return err
	}
	if o.build.print {
		return env.resultf("%s", run.specs[0].dockerRun(o))
	}
	r, err := env.newLocalRunner(ctx, o)
	if err != nil {
		return err
	}
	defer r.close(ctx)
	started, err := r.bring(ctx, run)
	if err != nil {
		return err
	}
	return r.wait(ctx, started)
}

// bring builds the functions and starts them. What is missing to run them is
// found first: a build may take long. With --watch one that fails keeps no other
// from running, else it is the end of all. Those that were started may have
// ended.
func (r *localRunner) bring(ctx context.Context, run *localRun) (started []*localReplica, err error) {
	if err := r.checkTools(ctx, run.specs); err != nil {
		return nil, err
	}
	var errs []error
	if r.o.buildIt {
		err := r.env.buildLocalRun(ctx, r.o, run)
		if err != nil && (!r.o.watch || ctx.Err() != nil) {
			return nil, err
		}
		errs = append(errs, err)
		if r.o.build.shrinkwrap { // there is no image of it
			return nil, errors.Join(errs...)
		}
	}
	for _, s := range run.specs {
		l, err := r.start(ctx, s)
		if l != nil {
			started = append(started, l)
		}
		switch {
		case r.o.watch:
			errs = append(errs, err)
		case err != nil && !errors.Is(err, errEnded):
			return nil, err
		}
	}
	return started, errors.Join(errs...)
}

// watchLocally runs the functions until Ctrl-C and starts those again whose
// files change.
func (e *Env) watchLocally(ctx context.Context, o localRunOptions) error {
	r, err := e.newLocalRunner(ctx, o)
	if err != nil {
		return err
	}
	defer r.close(ctx)
	return e.watchLoop(ctx, watched{
		stack:  o.stack,
		extras: o.build.extras,
		files: func(ctx context.Context) (*stack.File, error) {
			run, err := e.planLocalRun(ctx, o)
			if run == nil {
				return nil, err
			}
			return run.stack, err
		},
		run: func(ctx context.Context, names []string) error {
			run, err := e.planLocalRun(ctx, o)
			if err != nil {
				return err
			}
			r.stopOthers(ctx, run)
			run.keep(names)
			_, err = r.bring(ctx, run)
			return err
		},
	})
}

// keep leaves the named functions, all if none is named.
func (run *localRun) keep(names []string) {
	if names == nil {
		return
	}
	gone := func(name string) bool { return !slices.Contains(names, name) }
	run.stack.Functions = slices.DeleteFunc(run.stack.Functions, func(fn stack.Function) bool { return gone(fn.Name) })
	run.jobs = slices.DeleteFunc(run.jobs, func(j *job) bool { return gone(j.fn.Name) })
	run.specs = slices.DeleteFunc(run.specs, func(s localSpec) bool { return gone(s.job.fn.Name) })
}

// localRun is what is to be run.
type localRun struct {
	stack *stack.File
	jobs  []*job
	specs []localSpec
}

// planLocalRun finds the functions and everything they are started with.
func (e *Env) planLocalRun(ctx context.Context, o localRunOptions) (*localRun, error) {
	f := o.stack
	if o.name != "" {
		f.filter, f.regex = "", "^"+regexp.QuoteMeta(o.name)+"$" // the name is the selection, and no pattern
	}
	st, err := e.buildStack(ctx, f, o.build)
	if errors.Is(err, stack.ErrNoMatch) && o.name != "" {
		return nil, fmt.Errorf("function %q is not in the stack file", o.name)
	}
	if err != nil {
		return nil, err
	}
	if !o.all && len(st.Functions) != 1 {
		var names []string
		for _, fn := range st.Functions {
			names = append(names, fn.Name)
		}
		return nil, usagef("give a function name to run, or --all: %s", strings.Join(names, " "))
	}
	if err := ignoreInGit(e.Dir, "template", "build", secretsFolder); err != nil {
		return nil, err
	}
	jobs, err := e.planJobs(ctx, st.Functions, o.build.tag)
	if err != nil {
		return nil, err
	}
	run := &localRun{stack: st, jobs: jobs}
	processes := &templateProcesses{env: e, file: st}
	defer processes.close()
	var errs []error
	for _, j := range jobs {
		spec, err := e.localSpec(j, o, processes)
		if err != nil {
			errs = append(errs, fmt.Errorf("function %s: %w", j.fn.Name, err))
		}
		run.specs = append(run.specs, spec)
	}
	return run, errors.Join(errs...)
}

// buildLocalRun builds what is run, for this machine. What cannot be built is no
// longer in run.
func (e *Env) buildLocalRun(ctx context.Context, o localRunOptions, run *localRun) error {
	to := e.localRunTarget()
	o.build.debuggable = o.debugPort != 0
	work, err := e.planBuilds(ctx, o.build, run.stack, run.jobs, to)
	if err != nil {
		return err
	}
	defer work.Close() //nolint:errcheck // folders that were read
	outcomes, err := e.runStages(ctx, o.build.show, run.jobs, o.build.stages()...)
	built := []string{}
	for _, out := range outcomes {
		if out.Status != "failed" && out.Status != "cancelled" {
			built = append(built, out.Name)
		}
	}
	run.keep(built)
	return err
}

// dockerRun is the command that would run the same container. Arguments that a
// shell would split are quoted.
func (s localSpec) dockerRun(o localRunOptions) string {
	args := []string{"docker", "run", "--name", s.job.fn.Name, "--rm", "-i", fmt.Sprintf("-p=%s:%d:8080", o.host, o.port)}
	if o.network != "" {
		args = append(args, "--network="+o.network)
	}
	for _, k := range slices.Sorted(maps.Keys(s.env)) {
		args = append(args, "-e="+k+"="+s.env[k])
	}
	if s.readOnly {
		args = append(args, "--read-only", "--tmpfs=/tmp")
	}
	if s.memory > 0 {
		args = append(args, fmt.Sprintf("--memory-reservation=%d", s.memory))
	}
	if s.milliCPU > 0 {
		args = append(args, "--cpus="+cpus(s.milliCPU))
	}
	for _, name := range s.secrets {
		args = append(args, fmt.Sprintf("--volume=%s:%s/%s:ro", s.secretPath(name), secretsMount, name))
	}
	for i, a := range args {
		args[i] = shellQuote(a)
	}
	return strings.Join(append(args, shellQuote(s.job.image)), " ")
}

// cpus is a number of CPUs as docker takes it: 0.1, 2.
func cpus(milli int64) string {
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%d.%03d", milli/1000, milli%1000), "0"), ".")
}

// shellQuote quotes what a POSIX shell would not take as one plain word.
func shellQuote(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+:,./@%"
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
