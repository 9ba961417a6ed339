package stack

import (
	"bytes"
	"fmt"
	"os"

	"github.com/joho/godotenv"
)

// EnvFiles puts the variables of dotenv files before lookup: later files win.
// Relative paths start from dir. A nil lookup means that only the files have
// variables. The files' values may refer to variables of the same file.
func EnvFiles(dir string, paths []string, lookup func(string) (string, bool)) (func(string) (string, bool), error) {
	if len(paths) == 0 {
		return lookup, nil
	}
	vars := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(inDir(dir, path))
		if err != nil {
			return nil, fmt.Errorf("read env file: %w", err)
		}
		m, err := godotenv.UnmarshalBytes(bytes.TrimPrefix(text, []byte("\ufeff")))
		if err != nil {
			// The library quotes the line, which may hold a secret.
			return nil, fmt.Errorf("read env file %q: it is not in dotenv format", path)
		}
		for k, v := range m {
			vars[k] = v
		}
	}
	return func(name string) (string, bool) {
		if v, ok := vars[name]; ok {
			return v, true
		}
		if lookup == nil {
			return "", false
		}
		return lookup(name)
	}, nil
}
