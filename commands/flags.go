package commands

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/faas-cli/faas-cli/gateway"
)

// acceptStackFlags lets --yaml, --regex and --filter stand before the name of
// a command, and after one that has no use for them, as the original does. The
// commands that they mean something to register their own, which help shows.
func acceptStackFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	listVar(f, new([]string), "yaml", "f", "for the commands that have it")
	for _, name := range []string{"regex", "filter"} {
		f.String(name, "", "for the commands that have it")
	}
	f.VisitAll(func(flag *pflag.Flag) { flag.Hidden = true })
}

// registerYAML adds --yaml/-f. Commands for which it is not the stack file
// that they read say what it is.
func registerYAML(cmd *cobra.Command, files *[]string, usage string) {
	listVar(cmd.Flags(), files, "yaml", "f", usage)
}

// registerLockYAML adds the -f of commands about the project's templates, for
// firstStackFile.
func registerLockYAML(cmd *cobra.Command) {
	registerYAML(cmd, new([]string), "stack `file`; template.lock is beside it")
}

// stackFiles are the files of -f, which every command has.
func stackFiles(cmd *cobra.Command) []string {
	if f := cmd.Flags().Lookup("yaml"); f != nil {
		return *f.Value.(*listValue)
	}
	return nil
}

// firstStackFile is the file of -f whose folder holds template.lock, or "".
func firstStackFile(cmd *cobra.Command) string {
	files := stackFiles(cmd)
	if len(files) == 0 {
		return ""
	}
	return files[0]
}

// stackFlags say which stack file is read, how, and which functions of it are
// meant.
type stackFlags struct {
	files    []string // -f, in order; nil: discovery
	explicit bool     // -f was given, also as ''
	filter   string
	regex    string

	envsubst         bool
	envsubstExplicit bool // --envsubst was given, which remote files need (KB-112)
	envFiles         []string
	envName          string
	strict           bool
}

// registerFile adds --yaml alone, for commands that work on the file's text.
func (o *stackFlags) registerFile(cmd *cobra.Command) {
	registerYAML(cmd, &o.files, "stack `file` or URL (default: stack.yaml, stack.yml or the only one here); repeat to overlay, '' for none")
}

// registerSelection adds --filter and --regex, for commands that do something
// with each function of the file.
func (o *stackFlags) registerSelection(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.filter, "filter", "", "only functions whose name matches the `pattern`, in which * stands for anything")
	cmd.Flags().StringVar(&o.regex, "regex", "", "only functions whose name matches the regular `expression`")
}

// register adds the flags that commands reading a stack file share.
func (o *stackFlags) register(cmd *cobra.Command) {
	o.registerFile(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.envsubst, "envsubst", true, "substitute ${VAR} in the stack file")
	listVar(f, &o.envFiles, "env-file", "", "dotenv `file` with variables to substitute, which win over those of the environment (repeatable)")
	f.StringVar(&o.envName, "env-name", "", "overlay stack.`NAME`.yaml beside the stack file (default $OPENFAAS_ENV)")
	f.BoolVar(&o.strict, "strict", false, "make unknown keys, bad values and unset variables of the stack file errors")
}

// complete reads what only the parsed command line knows. Every run of a
// command with stackFlags calls it first.
func (o *stackFlags) complete(cmd *cobra.Command) {
	f := cmd.Flags()
	o.explicit = f.Changed("yaml")
	o.envsubstExplicit = f.Changed("envsubst")
	o.files = slices.DeleteFunc(o.files, func(file string) bool { return file == "" })
	// Also for a command that only asks the file for the gateway: a selection
	// that is wrong, or leaves no function, has always been an error there.
	o.filter, _ = f.GetString("filter") // every command has them
	o.regex, _ = f.GetString("regex")
}

// gatewayFlags say which gateway a command talks to, and as whom.
type gatewayFlags struct {
	url         string
	explicit    bool // --gateway was given, and is not empty
	context     string
	tlsNoVerify bool
	token       string
	namespace   string
	timeout     time.Duration // of one request of the control plane; 0: no limit
	bounded     bool          // the command has --timeout; else gateway.DefaultTimeout counts
}

// defaultGateway is the address of a gateway on this machine. A stack file
// that names it counts as naming none.
const defaultGateway = "http://127.0.0.1:8080"

// register adds --gateway, --context, --tls-no-verify and --token.
func (o *gatewayFlags) register(cmd *cobra.Command) {
	o.registerAddress(cmd)
	cmd.Flags().StringVarP(&o.token, "token", "k", "", "bearer `token` instead of the saved credentials")
}

// registerAddress leaves out --token, for commands that credentials are the
// matter of.
func (o *gatewayFlags) registerAddress(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&o.url, "gateway", "g", defaultGateway, "`URL` of the gateway")
	f.StringVar(&o.context, "context", "", "`name` of a gateway that faas-cli context has saved (default $OPENFAAS_CONTEXT)")
	f.BoolVar(&o.tlsNoVerify, "tls-no-verify", false, "do not verify the gateway's certificate")
}

// registerNamespace adds --namespace.
func (o *gatewayFlags) registerNamespace(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.namespace, "namespace", "n", "", "`namespace` on the gateway (default $OPENFAAS_NS)")
}

// registerTimeout adds --timeout. Commands without it use the default.
func (o *gatewayFlags) registerTimeout(cmd *cobra.Command) {
	o.registerTimeoutOf(cmd, gateway.DefaultTimeout, "longest `time` for a request; 0 is no limit")
}

// registerTimeoutOf is registerTimeout with another default, or meaning more.
func (o *gatewayFlags) registerTimeoutOf(cmd *cobra.Command, limit time.Duration, usage string) {
	o.bounded = true
	cmd.Flags().DurationVar(&o.timeout, "timeout", limit, usage)
}

// checkPort refuses the value of a flag that is no port.
func checkPort(flag string, port int) error {
	if port < 0 || port > 65535 {
		return usagef("--%s %d: want a port from 0 to 65535", flag, port)
	}
	return nil
}

// complete reads what only the parsed command line knows.
func (o *gatewayFlags) complete(cmd *cobra.Command) {
	o.explicit = cmd.Flags().Changed("gateway") && o.url != "" // as from -g "$UNSET"
	o.token = strings.TrimSpace(o.token)                       // what comes from a file or a CI variable often ends in a line break
}
