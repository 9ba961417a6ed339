package commands

import "github.com/faas-cli/faas-cli/stack"

// parsePairs reads flags of the form KEY=VALUE; flag names them in errors.
func parsePairs(flag string, pairs []string) (map[string]string, error) {
	m, err := stack.ParsePairs("--"+flag, pairs)
	if err != nil {
		return nil, &UsageError{Err: err}
	}
	return m, nil
}
