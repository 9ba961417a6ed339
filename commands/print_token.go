package commands

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/output"
)

func newPrintTokenCmd(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:     "print-token FILE",
		Short:   "Print the header and payload of a JSON web token",
		Long:    "Print the header and payload of the JSON web token in a file. The signature is\nneither printed nor checked.",
		Example: "  faas-cli print-token token.txt",
		Hidden:  true,
		Args:    exactArgs("the FILE of the token"),
		RunE:    func(_ *cobra.Command, args []string) error { return runPrintToken(env, args[0]) },
	}
}

func runPrintToken(env *Env, file string) error {
	data, err := os.ReadFile(env.abs(file))
	if err != nil {
		return err
	}
	parts := strings.Split(strings.TrimSpace(string(data)), ".")
	if len(parts) != 3 {
		return fmt.Errorf("token should have 3 parts, got %d", len(parts))
	}
	var token struct {
		Header  json.RawMessage `json:"header"`
		Payload json.RawMessage `json:"payload"`
	}
	for _, p := range []struct {
		name string
		text string
		to   *json.RawMessage
	}{{"header", parts[0], &token.Header}, {"payload", parts[1], &token.Payload}} {
		*p.to, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(p.text, "="))
		if err != nil {
			return fmt.Errorf("decode the token's %s: %w", p.name, err)
		}
		if !json.Valid(*p.to) {
			return fmt.Errorf("the token's %s is not JSON", p.name)
		}
	}
	return output.WriteJSON(env.Term.Out, token)
}
