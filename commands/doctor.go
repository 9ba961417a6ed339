package commands

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/internal/term"
)

type doctorOptions struct {
	gateway gatewayFlags
	stack   stackFlags
	format  formatFlags
	fix     bool
}

func newDoctorCmd(env *Env) *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check what faas-cli needs on this machine and in its gateway",
		Long: `Check the container engine and its BuildKit, the tool chains, git, the gateway,
the saved credentials, the clocks, registry credentials, the modes of private
files and the local platform: a line each, with what to do.

On a terminal it offers to fix what it safely can: file modes, and what a
killed local platform left behind; --fix does so without asking. The exit code
is 1 if something that is needed is broken.`,
		Example: "  faas-cli doctor\n  faas-cli doctor --fix\n  faas-cli doctor --output json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.gateway.complete(cmd)
			o.stack.complete(cmd)
			return runDoctor(cmd.Context(), env, o)
		},
	}
	o.gateway.register(cmd)
	o.stack.register(cmd)
	o.format.register(cmd)
	cmd.Flags().BoolVar(&o.fix, "fix", false, "fix what can safely be fixed")
	return cmd
}

// checkStatus is what a check found.
type checkStatus string

const (
	checkOK   checkStatus = "ok"
	checkWarn checkStatus = "warn" // not needed, or not by everybody
	checkFail checkStatus = "fail" // needed and broken
)

// check is one line of the doctor.
type check struct {
	Name   string      `json:"name"`
	Status checkStatus `json:"status"`
	Detail string      `json:"detail"`
	Advice string      `json:"advice,omitempty"` // what to do
	Fixed  bool        `json:"fixed,omitempty"`

	fix     func() error // nil: nothing that can safely be done
	fixText string       // what fix does, for the question
}

func runDoctor(ctx context.Context, env *Env, o doctorOptions) error {
	d := &doctor{env: env, o: o}
	results := d.examine(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	answers := bufio.NewReader(env.Term.In)
	if !o.format.table() {
		answers = nil // a program reads, so nobody is asked
	}
	for i := range results {
		c := &results[i]
		if answers != nil {
			if err := printCheck(env, *c); err != nil {
				return err
			}
		}
		if err := d.offerFix(c, answers); err != nil {
			return err
		}
	}
	if err := printChecks(env, o.format.format(), results); err != nil {
		return err
	}
	failed := 0
	for _, c := range results {
		if c.Status == checkFail {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks failed", failed, len(results))
	}
	return nil
}

// doctor runs the checks.
type doctor struct {
	env *Env
	o   doctorOptions
}

// maxChecks bounds how many checks run at once.
const maxChecks = 8

// examine runs all checks at once and returns their results in a fixed order.
func (d *doctor) examine(ctx context.Context) []check {
	groups := []func(context.Context) []check{
		d.checkEngine, d.checkTools, d.checkGit, d.checkGateway, d.checkRegistries, d.checkModes, d.checkLocal,
	}
	results := make([][]check, len(groups))
	var g errgroup.Group
	g.SetLimit(maxChecks)
	for i, run := range groups {
		g.Go(func() error {
			results[i] = run(ctx)
			return nil
		})
	}
	_ = g.Wait()
	var all []check
	for _, r := range results {
		all = append(all, r...)
	}
	return d.canBuild(all)
}

// canBuild adds the check that there is any way to build a function.
func (d *doctor) canBuild(all []check) []check {
	ways := 0
	for _, c := range all {
		if (c.Name == nameEngine || c.Name == nameGo || c.Name == namePython) && c.Status == checkOK {
			ways++
		}
	}
	if ways > 0 {
		return all
	}
	return append(all, check{Name: "builds", Status: checkFail, Detail: "there is no container engine and no tool chain to build functions with",
		Advice: "install Docker, Go or Python 3"})
}

// offerFix puts a check's matter right: with --fix, or if the person at the
// terminal agrees.
func (d *doctor) offerFix(c *check, answers *bufio.Reader) error {
	if c.fix == nil {
		return nil
	}
	if !d.o.fix {
		if answers == nil || !d.env.Term.InTTY || !d.env.Term.OutTTY {
			return nil
		}
		if err := writePrompt(d.env, "      "+c.fixText+"? [y/N] "); err != nil {
			return err
		}
		answer, err := answers.ReadString('\n')
		if err != nil || !strings.HasPrefix(strings.ToLower(strings.TrimSpace(answer)), "y") {
			return nil // also when there is no answer
		}
	}
	if err := c.fix(); err != nil {
		c.Advice = "could not be fixed: " + err.Error()
		d.env.warnf("%s: %v", c.Name, err)
		return nil
	}
	c.Status, c.Fixed = checkOK, true
	d.env.progressf("fixed: %s: %s", c.Name, c.fixText)
	return nil
}

func writePrompt(env *Env, text string) error {
	_, err := env.Term.Err.Write([]byte(text))
	return err
}

// nameWidth is the width of the column of names.
const nameWidth = 16

func printCheck(env *Env, c check) error {
	style := map[checkStatus]term.Style{checkOK: term.Green, checkWarn: term.Yellow, checkFail: term.Red}[c.Status]
	status := env.Term.Paint(env.Term.Out, style, fmt.Sprintf("%-4s", c.Status))
	line := fmt.Sprintf("%s  %-*s  %s", status, nameWidth, c.Name, env.shown(c.Detail))
	if c.Advice != "" {
		line += ": " + env.shown(c.Advice)
	}
	return env.resultf("%s", line)
}

// printChecks prints the results for programs; people have seen each already.
func printChecks(env *Env, f output.Format, results []check) error {
	switch f {
	case output.Table, output.Wide:
		return nil
	}
	return output.Printer[check]{Format: f, Name: func(c check) string { return c.Name }}.List(env.Term.Out, results)
}

// verdict makes a check of an error.
func verdict(name string, err error, ok string, bad checkStatus, advice string) check {
	if err == nil {
		return check{Name: name, Status: checkOK, Detail: ok}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.New("no answer in time")
	}
	return check{Name: name, Status: cmp.Or(bad, checkFail), Detail: err.Error(), Advice: advice}
}
