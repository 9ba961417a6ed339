package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/schema"
)

func newSecretCmd(env *Env) *cobra.Command {
	return newGroupCmd("secret", "Manage the secrets of functions",
		`Manage the secrets that functions read. Values go to the gateway, or into
files for it; they are never printed, but by generate and unseal.`,
		"  echo s3cret | faas-cli secret create db-password\n  faas-cli secret list",
		newSecretCreateCmd(env),
		newSecretUpdateCmd(env),
		newSecretListCmd(env),
		newSecretRemoveCmd(env),
		newSecretApplyCmd(env),
		newSecretGenerateCmd(env),
		newSecretKeygenCmd(env),
		newSecretSealCmd(env),
		newSecretUnsealCmd(env),
	)
}

// maxSecret bounds a secret, in bytes. Kubernetes takes 1 MiB; other providers
// write files and take more.
const maxSecret = 16 << 20

// secretSource are the flags that say where a secret's value comes from.
type secretSource struct {
	literal string
	file    string
	trim    bool

	given []string // which of them were
}

func (o *secretSource) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.literal, "from-literal", "", "`value` of the secret; other users of the machine can see it, so prefer --from-file")
	f.StringVar(&o.file, "from-file", "", "read the value from a `file`")
	f.BoolVar(&o.trim, "trim", true, "cut blanks and newlines off both ends of the value")
}

// complete reads what only the parsed command line knows.
func (o *secretSource) complete(cmd *cobra.Command) {
	for _, name := range []string{"from-literal", "from-file"} {
		if cmd.Flags().Changed(name) {
			o.given = append(o.given, "--"+name)
		}
	}
}

// read returns the secret of that name with its value.
func (o secretSource) read(ctx context.Context, env *Env, name, namespace string) (schema.Secret, error) {
	if len(o.given) > 1 {
		return schema.Secret{}, usagef("give one of %s", strings.Join(o.given, " and "))
	}
	var (
		value []byte
		err   error
	)
	switch {
	case len(o.given) == 0:
		if env.Term.InTTY {
			env.progressf("Enter the secret, then Ctrl-D on a line of its own.")
		}
		value, err = env.readStdin(ctx, maxSecret)
	case o.given[0] == "--from-file":
		value, err = readSecretFile(env.abs(o.file))
		if err != nil {
			err = fmt.Errorf("read %q: %w", o.file, err)
		}
	default:
		value = []byte(o.literal)
	}
	if err != nil {
		return schema.Secret{}, err
	}
	return newSecret(name, namespace, value, o.trim)
}

// readSecretFile leaves out the path in its errors: the caller names it as the
// user did.
func readSecretFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, cause(err)
	}
	defer f.Close()
	return readSecretFrom(f)
}

func readSecretFrom(r io.Reader) ([]byte, error) {
	value, err := io.ReadAll(io.LimitReader(r, maxSecret+1))
	if err == nil && len(value) > maxSecret {
		err = fmt.Errorf("more than %d bytes", maxSecret)
	}
	return value, cause(err)
}

// cause takes the path out of a file's error.
func cause(err error) error {
	if pathErr := (*os.PathError)(nil); errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// errEmptySecret: gateways take it, functions do not expect it.
var errEmptySecret = errors.New("the value is empty")

// newSecret sends text as the value and anything else as raw bytes, never both:
// servers that prefer the latter would see another content (KB-69).
func newSecret(name, namespace string, value []byte, trim bool) (schema.Secret, error) {
	if trim && utf8.Valid(value) {
		value = []byte(strings.TrimSpace(string(value)))
	}
	if len(value) == 0 {
		return schema.Secret{}, fmt.Errorf("secret %q: %w", name, errEmptySecret)
	}
	s := schema.Secret{Name: name, Namespace: namespace}
	if utf8.Valid(value) {
		s.Value = string(value)
	} else {
		s.RawValue = value
	}
	return s, nil
}

// maxSecretName is the limit of Kubernetes for names that are DNS subdomains.
const maxSecretName = 253

// checkSecretName wants a DNS subdomain, as Kubernetes does.
func checkSecretName(name string) error {
	ok := name != "" && len(name) <= maxSecretName
	for label := range strings.SplitSeq(name, ".") {
		ok = ok && label != "" && label[0] != '-' && label[len(label)-1] != '-'
	}
	for _, r := range name {
		ok = ok && (r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.')
	}
	if !ok {
		return fmt.Errorf("invalid secret name %q: want lower-case letters, digits, - and ., such as db.pass-1", name)
	}
	return nil
}

// inNamespace is how messages name something in a namespace.
func inNamespace(name, namespace string) string {
	if namespace == "" {
		return name
	}
	return name + "." + namespace
}
