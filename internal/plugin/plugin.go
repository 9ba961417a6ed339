// Package plugin finds the plugins of faas-cli, which are programs in one
// folder, and fetches them out of OCI images.
package plugin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// maxName bounds a plugin's name, in bytes; it is a file name and a command.
const maxName = 64

// Dir returns the folder of the plugins of the user whose home is given.
func Dir(home string) string { return filepath.Join(home, ".openfaas", "plugins") }

// CheckName refuses what is not a plain file name that can stand as a command:
// letters, digits, and inside of it also ".", "_" and "-".
func CheckName(name string) error {
	ok := name != "" && len(name) <= maxName
	for i, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case i > 0 && strings.IndexByte("._-", c) >= 0:
		default:
			ok = false
		}
	}
	if !ok {
		return fmt.Errorf("%q is not a plugin name: want letters, digits, and inside of it also '.', '_', '-'", name)
	}
	return nil
}

// Find returns the path of the plugin called name in dir. Only a regular file
// that the user may execute is one; without such a file, ok is false.
func Find(dir, name string) (path string, ok bool, err error) {
	if CheckName(name) != nil {
		return "", false, nil
	}
	path = filepath.Join(dir, fileName(name, runtime.GOOS))
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", false, nil
	case err != nil:
		return "", false, fmt.Errorf("look for plugin %q: %w", name, err)
	}
	executable := runtime.GOOS == "windows" || info.Mode().Perm()&0o111 != 0
	return path, info.Mode().IsRegular() && executable, nil
}

// List returns the names of the plugins in dir, sorted. A folder that cannot
// be read has none.
func List(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), exe(runtime.GOOS))
		if _, ok, err := Find(dir, name); ok && err == nil {
			names = append(names, name)
		}
	}
	return names
}

func fileName(name, goos string) string { return name + exe(goos) }

func exe(goos string) string {
	if goos == "windows" {
		return ".exe"
	}
	return ""
}
