package builder

import (
	"errors"
	"strings"
	"testing"

	"github.com/faas-cli/faas-cli/schema"
)

func optionContext() *Context {
	return &Context{Function: "fn", Language: "tpl", Spec: schema.Template{BuildOptions: []schema.BuildOption{
		{Name: "dev", Packages: []string{"make", "gcc"}}, {Name: "db", Packages: []string{"libpq", "gcc"}},
	}}}
}

func TestArgumentsAlwaysHaveAdditionalPackage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options []string
		args    map[string]string
		want    string
	}{
		"nothing asked for":   {want: ""},
		"options overlap":     {options: []string{"dev", "db"}, want: "gcc libpq make"},
		"options and an arg":  {options: []string{"db"}, args: map[string]string{"ADDITIONAL_PACKAGE": "zip  curl"}, want: "curl gcc libpq zip"},
		"an arg with repeats": {args: map[string]string{"ADDITIONAL_PACKAGE": "b a b"}, want: "a b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Arguments(optionContext(), c.options, c.args)
			if err != nil {
				t.Fatal(err)
			}
			if v, ok := got["ADDITIONAL_PACKAGE"]; !ok || v != c.want {
				t.Errorf("ADDITIONAL_PACKAGE = %q, %v; want %q", v, ok, c.want)
			}
		})
	}
}

func TestArgumentsRefuseAnUnknownOption(t *testing.T) {
	t.Parallel()
	_, err := Arguments(optionContext(), []string{"nope"}, nil)
	if unknown := (*UnknownOptionError)(nil); !errors.As(err, &unknown) || unknown.Language != "tpl" || !strings.Contains(err.Error(), "dev, db") {
		t.Errorf("error = %v; want one that names the template and its options", err)
	}
}

func TestParseArgsWantsKeyAndValue(t *testing.T) {
	t.Parallel()
	got, err := ParseArgs("--build-arg", []string{" A = b=c ", "ADDITIONAL_PACKAGE=x", "ADDITIONAL_PACKAGE=y"})
	if err != nil || got["A"] != "b=c" || got["ADDITIONAL_PACKAGE"] != "x y" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, bad := range []string{"bad", "=v", "K=", ""} {
		if _, err := ParseArgs("--build-arg", []string{bad, "GOOD=1"}); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if _, err := ParseArgs("--build-arg", []string{"=s3cret"}); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("error = %v; the value must not show", err)
	}
}
