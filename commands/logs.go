package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/stack"
)

type logsOptions struct {
	gateway     gatewayFlags
	stack       stackFlags
	name        string
	all         bool
	since       sinceValue
	sinceTime   timeValue
	lines       int
	follow      bool
	format      logFormat
	json        bool
	timeLayout  layoutValue
	nameColumn  bool
	instance    bool
	noReconnect bool
	timeout     time.Duration
}

func newLogsCmd(env *Env) *cobra.Command {
	o := logsOptions{format: logPlain, timeLayout: time.RFC3339}
	cmd := &cobra.Command{
		Use:   "logs NAME",
		Short: "Print the log of a function, and follow it",
		Long: `Print the log of a function and go on with new lines until Ctrl-C, or of
several functions of the stack file with --all, --filter or --regex.

-f as the last argument, or before another flag, means --follow; with a value it
is the stack file, as everywhere. When the connection is lost, the log is taken
up again where it was, at most five times in a row.`,
		Example: `  faas-cli logs figlet
  faas-cli logs figlet --since=5m --tail=50
  faas-cli logs figlet --since=2026-01-02T15:04:05Z --tail=false -o json
  faas-cli logs --all -f`,
		Args: optionalArg("the NAME of a function"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.gateway.complete(cmd)
			o.stack.complete(cmd)
			if len(args) == 1 {
				o.name = args[0]
			}
			if err := o.validate(); err != nil {
				return err
			}
			return runLogs(cmd.Context(), env, o)
		},
	}
	o.gateway.register(cmd)
	o.gateway.registerNamespace(cmd)
	o.stack.register(cmd)
	o.stack.registerSelection(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.all, "all", false, "all functions of the stack file")
	f.Var(&o.since, "since", "only lines since then: a `duration` such as 10m, or an RFC 3339 time")
	f.Var(&o.sinceTime, "since-time", "only lines since then: an RFC 3339 `time`")
	f.IntVar(&o.lines, "lines", -1, "how many of the newest `lines` to begin with; -1 is all, 0 what the server deems right")
	tail := f.VarPF(&tailValue{follow: &o.follow, lines: &o.lines}, "tail", "t", "follow the log; --tail=N is --lines=N")
	tail.NoOptDefVal, tail.DefValue = "true", "true"
	o.follow = true
	follow := f.VarPF(&tailValue{follow: &o.follow}, "follow", "", "the same as --tail")
	follow.NoOptDefVal, follow.DefValue = "true", "true"
	choiceVar(f, &o.format, "output", "o", "print each line as `format`", logPlain, logKeyValue, logJSON)
	registerJSON(cmd, &o.json)
	f.Var(&o.timeLayout, "time-format", "Go `layout` of the time, or its name (rfc3339nano, rfc1123, ansic, …); empty for no time")
	f.BoolVar(&o.nameColumn, "name", false, "print the function's name")
	f.BoolVar(&o.instance, "instance", false, "print the name of the replica")
	f.DurationVar(&o.timeout, "timeout", 0, "longest `time` for the whole log; 0 is no limit")
	f.BoolVar(&o.noReconnect, "no-reconnect", false, "fail when the connection is lost")
	return cmd
}

// several says that the functions are those of the stack file.
func (o logsOptions) several() bool {
	return o.name == "" && (o.all || o.stack.filter != "" || o.stack.regex != "")
}

func (o *logsOptions) validate() error {
	switch {
	case o.name == "" && !o.several():
		err := usagef("faas-cli logs wants the NAME of a function, or --all, --filter or --regex")
		if len(o.stack.files) == 1 && !strings.Contains(o.stack.files[0], ".") {
			return withHint(err, "-f %s names the stack file; write -f last, or --follow, to follow", o.stack.files[0])
		}
		return err
	case o.name != "" && o.all:
		return usagef("--all and the function %q contradict each other", o.name)
	case o.timeout < 0:
		return usagef("--timeout %s: want 0 or more", o.timeout)
	case o.lines < -1:
		return usagef("--lines %d: want -1 for all lines, or a number of lines", o.lines)
	}
	if o.json {
		o.format = logJSON
	}
	return nil
}

func (o logsOptions) query(now time.Time) gateway.LogQuery {
	q := gateway.LogQuery{Name: o.name, Tail: o.lines, Follow: o.follow, Since: o.since.at}
	if o.since.ago > 0 {
		q.Since = now.Add(-o.since.ago)
	}
	if !time.Time(o.sinceTime).IsZero() {
		q.Since = time.Time(o.sinceTime)
	}
	return q
}

// followFlag makes "logs NAME -f" mean --follow: a -f of logs that is last or
// stands before another flag cannot be the stack file.
func followFlag(args []string) []string {
	word, rest, ok := firstWord(args)
	if !ok || word != "logs" {
		return args
	}
	before := args[:len(args)-len(rest)]
	out := append([]string{}, before...)
	for i, arg := range rest {
		if arg == "--" {
			return append(out, rest[i:]...)
		}
		last := i == len(rest)-1
		if arg == "-f" && (last || len(rest[i+1]) > 1 && rest[i+1][0] == '-') {
			arg = "--follow"
		}
		out = append(out, arg)
	}
	return out
}

// tailValue is --tail, a bool, in which a number means --lines.
type tailValue struct {
	follow *bool
	lines  *int // nil: numbers are refused
}

func (v *tailValue) String() string   { return "true" }
func (v *tailValue) Type() string     { return "bool" }
func (v *tailValue) IsBoolFlag() bool { return true }

func (v *tailValue) Set(s string) error {
	if b, err := strconv.ParseBool(s); err == nil {
		*v.follow = b
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || v.lines == nil {
		return fmt.Errorf("%q is neither true nor false nor a number of lines", s)
	}
	*v.lines = n
	return nil
}

// sinceValue is a duration before now, or a time.
type sinceValue struct {
	ago time.Duration
	at  time.Time
}

func (v *sinceValue) String() string { return "" }
func (v *sinceValue) Type() string   { return "duration" }

func (v *sinceValue) Set(s string) error {
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		*v = sinceValue{at: at}
		return nil
	}
	ago, err := time.ParseDuration(s)
	if err != nil || ago < 0 {
		return fmt.Errorf("want a duration such as 10m or 2h30m, or a time such as 2026-01-02T15:04:05Z")
	}
	*v = sinceValue{ago: ago}
	return nil
}

// timeValue is an RFC 3339 time.
type timeValue time.Time

func (v *timeValue) String() string { return "" }
func (v *timeValue) Type() string   { return "time" }

func (v *timeValue) Set(s string) error {
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return fmt.Errorf("%q is not a time such as 2026-01-02T15:04:05Z", s)
	}
	*v = timeValue(at)
	return nil
}

// layoutValue is a layout of package time, or its name there.
type layoutValue string

func (v *layoutValue) String() string { return string(*v) }
func (v *layoutValue) Type() string   { return "layout" }

func (v *layoutValue) Set(s string) error {
	named := map[string]string{
		"ansic": time.ANSIC, "unixdate": time.UnixDate, "rubydate": time.RubyDate,
		"rfc822": time.RFC822, "rfc822z": time.RFC822Z, "rfc850": time.RFC850,
		"rfc1123": time.RFC1123, "rfc1123z": time.RFC1123Z, "rfc3339": time.RFC3339, "rfc3339nano": time.RFC3339Nano,
	}
	if layout, ok := named[strings.ToLower(s)]; ok {
		s = layout
	}
	*v = layoutValue(s)
	return nil
}

var (
	_ pflag.Value = (*tailValue)(nil)
	_ pflag.Value = (*sinceValue)(nil)
	_ pflag.Value = (*timeValue)(nil)
	_ pflag.Value = (*layoutValue)(nil)
)

func runLogs(ctx context.Context, env *Env, o logsOptions) error {
	file, err := env.peekStack(ctx, o.stack)
	if err != nil && (o.stack.explicit || o.several()) {
		return err
	}
	client, t, err := env.gatewayClient(o.gateway, gatewayOf(file))
	if err != nil {
		return err
	}
	names := []string{o.name}
	if o.several() {
		if names, err = stackNames(file); err != nil {
			return err
		}
	}
	if o.format != logJSON {
		env.warnPlainHTTP(client.BaseURL(), o.gateway)
	}
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("%w: the log did not end within %s", gateway.ErrTimeout, o.timeout))
		defer cancel()
	}
	out := &lockedWriter{w: env.Term.Out}
	prefixes := make([]string, len(names))
	if o.several() {
		prefixes = logPrefixes(env.Term, names)
	}
	base := o.query(env.Now())
	errs := make([]error, len(names))
	var g errgroup.Group
	g.SetLimit(maxLogs)
	for i, name := range names {
		q := base
		q.Name, q.Namespace = name, env.namespaceAt(o.gateway, t, stackNamespace(file, name))
		printer := newLogPrinter(out, env.Term.OutTTY, prefixes[i], o)
		r := &logReader{
			noReconnect: o.noReconnect,
			print:       printer.print,
			open: func(ctx context.Context, q gateway.LogQuery) (logStream, error) {
				return openLogs(ctx, client, q, printer)
			},
			reconnected: func(err error, attempt int) {
				env.warnf("%v; connecting again (%d of %d)", err, attempt, maxReconnects)
			},
		}
		g.Go(func() error {
			if errs[i] = cmp.Or(r.run(ctx, q), printer.flush()); errs[i] != nil && len(names) > 1 && ctx.Err() == nil {
				env.warnf("%v", errs[i]) // now; the others may go on for long
			}
			return nil
		})
	}
	_ = g.Wait()
	return errors.Join(errs...)
}

// lockedWriter lets several goroutines write to w, one at a time.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// maxLogs is how many logs are followed at once, each over a connection.
const maxLogs = 128

func openLogs(ctx context.Context, client *gateway.Client, q gateway.LogQuery, printer *logPrinter) (logStream, error) {
	// What could not be written now is an error of the next line or the end.
	s, err := client.OpenLogs(ctx, q, gateway.LogReading{Idle: func() { _ = printer.flush() }, JSON: printer.format == logJSON})
	if err != nil {
		return nil, err // not a nil *LogStream in an interface
	}
	return s, nil
}

// stackNames returns the functions of a stack file that the flags selected.
func stackNames(file *stack.File) ([]string, error) {
	if file == nil {
		return nil, withHint(errors.New("there is no stack file to take the functions from"), "name it with -f")
	}
	if len(file.Functions) > maxLogs {
		return nil, withHint(fmt.Errorf("the stack file has %d functions; at most %d logs can be followed at once", len(file.Functions), maxLogs),
			"choose some with --filter or --regex")
	}
	names := make([]string, len(file.Functions))
	for i, fn := range file.Functions {
		names[i] = fn.Name
	}
	return names, nil
}
