package builder

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/faas-cli/faas-cli/schema"
)

// AdditionalPackage is the build argument that every build gets: names of
// system packages that the template installs, separated by blanks.
const AdditionalPackage = "ADDITIONAL_PACKAGE"

// UnknownOptionError says that a template does not define a build option.
type UnknownOptionError struct {
	Option   string
	Language string
	Known    []string // the options that it defines
}

// Error names option, template and what there is instead.
func (e *UnknownOptionError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("unknown build option %q: template %s defines none", e.Option, e.Language)
	}
	return fmt.Sprintf("unknown build option %q: template %s has %s", e.Option, e.Language, strings.Join(e.Known, ", "))
}

// Arguments returns the arguments of a build: args, with the packages of the
// options added to ADDITIONAL_PACKAGE, which is always there. It fails with an
// [UnknownOptionError].
func Arguments(c *Context, options []string, args map[string]string) (map[string]string, error) {
	merged := map[string]string{}
	maps.Copy(merged, args)
	packages := strings.Fields(merged[AdditionalPackage])
	for _, name := range options {
		i := slices.IndexFunc(c.Spec.BuildOptions, func(o schema.BuildOption) bool { return o.Name == name })
		if i < 0 {
			e := &UnknownOptionError{Option: name, Language: c.Language}
			for _, o := range c.Spec.BuildOptions {
				e.Known = append(e.Known, o.Name)
			}
			return nil, e
		}
		packages = append(packages, c.Spec.BuildOptions[i].Packages...)
	}
	slices.Sort(packages)
	merged[AdditionalPackage] = strings.Join(slices.Compact(packages), " ")
	return merged, nil
}

// ParseArgs reads KEY=VALUE arguments of --build-arg, --build-label and the
// like; blanks around both sides are cut, and both must be there. what names
// the flag in errors. Several values of ADDITIONAL_PACKAGE are joined.
func ParseArgs(what string, list []string) (map[string]string, error) {
	args := map[string]string{}
	for _, s := range list {
		key, value, ok := strings.Cut(s, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || key == "" || value == "" {
			// The value may be a secret, so it is not repeated.
			return nil, fmt.Errorf("%s: want KEY=VALUE with neither empty, got key %q", what, key)
		}
		if old := args[key]; key == AdditionalPackage && old != "" {
			value = old + " " + value
		}
		args[key] = value
	}
	return args, nil
}
