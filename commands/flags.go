package commands

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/gateway"
)

// registerGlobalFlags adds the flags that every command has. They live on the
// root; stackFlags.complete reads them.
func registerGlobalFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringArrayP("yaml", "f", nil, "stack `file` or URL (default: stack.yaml, stack.yml or the only one here); repeat to overlay, '' for none")
	f.String("regex", "", "only functions whose name matches the regular `expression`")
	f.String("filter", "", "only functions whose name matches the `pattern`, in which * stands for anything")
	for _, name := range []string{"yaml"} {
		// The names are constants, so these cannot fail.
		_ = root.RegisterFlagCompletionFunc(name, cobra.FixedCompletions([]string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt))
	}
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

// register adds the flags that commands reading a stack file share.
func (o *stackFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.envsubst, "envsubst", true, "substitute ${VAR} in the stack file")
	f.StringArrayVar(&o.envFiles, "env-file", nil, "dotenv `file` whose variables are substituted before those of the environment (repeatable)")
	f.StringVar(&o.envName, "env-name", "", "overlay stack.`NAME`.yaml beside the stack file (default $OPENFAAS_ENV)")
	f.BoolVar(&o.strict, "strict", false, "make unknown keys, bad values and unset variables of the stack file errors")
}

// complete reads what only the parsed command line knows. Every run of a
// command with stackFlags calls it first.
func (o *stackFlags) complete(cmd *cobra.Command) {
	f := cmd.Flags()
	o.explicit = f.Changed("yaml")
	o.envsubstExplicit = f.Changed("envsubst")
	files, _ := f.GetStringArray("yaml") // the flag is the root's own, so it exists
	for _, file := range files {
		if file != "" {
			o.files = append(o.files, file)
		}
	}
	o.filter, _ = f.GetString("filter")
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
	f.StringVar(&o.context, "context", "", "named gateway to use, see faas-cli context (default $OPENFAAS_CONTEXT)")
	f.BoolVar(&o.tlsNoVerify, "tls-no-verify", false, "do not verify the gateway's certificate")
}

// registerNamespace adds --namespace.
func (o *gatewayFlags) registerNamespace(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.namespace, "namespace", "n", "", "`namespace` of the function")
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

// complete reads what only the parsed command line knows.
func (o *gatewayFlags) complete(cmd *cobra.Command) {
	o.explicit = cmd.Flags().Changed("gateway") && o.url != "" // as from -g "$UNSET"
}
