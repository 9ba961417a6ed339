package commands

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

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
	token, err := parseToken(strings.TrimSpace(string(data)))
	if err != nil {
		return err
	}
	return output.WriteJSON(env.Term.Out, token)
}

// A webToken is a JSON web token, of which nothing was checked.
type webToken struct {
	Header  json.RawMessage `json:"header"`
	Payload json.RawMessage `json:"payload"`
}

func parseToken(text string) (webToken, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return webToken{}, fmt.Errorf("token should have 3 parts, got %d", len(parts))
	}
	var token webToken
	for _, p := range []struct {
		name string
		text string
		to   *json.RawMessage
	}{{"header", parts[0], &token.Header}, {"payload", parts[1], &token.Payload}} {
		var err error
		*p.to, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(p.text, "="))
		if err != nil {
			return webToken{}, fmt.Errorf("decode the token's %s: %w", p.name, err)
		}
		if !json.Valid(*p.to) {
			return webToken{}, fmt.Errorf("the token's %s is not JSON", p.name)
		}
	}
	return token, nil
}

// expiry is when the token says that it runs out; zero: it does not say.
func (w webToken) expiry() time.Time {
	var claims struct {
		Exp float64 `json:"exp"` // seconds since 1970, RFC 7519 2
	}
	if json.Unmarshal(w.Payload, &claims) != nil || claims.Exp <= 0 {
		return time.Time{}
	}
	return time.Unix(int64(claims.Exp), 0)
}
