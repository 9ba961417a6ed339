package commands

import "testing"

func TestNormaliseGateway(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"foo:99", "http://foo:99"},
		{"HTTP://Foo.Example:80/Path/", "http://foo.example:80/Path"},
		{"https://of.example.com///", "https://of.example.com"},
		{"httpfoo:1", "http://httpfoo:1"},
		{"127.0.0.1:8080", "http://127.0.0.1:8080"},
		{"[::1]:8080", "http://[::1]:8080"},
		{"ftp://foo", ""},
		{"", ""},
		{"http://", ""},
		{"http://a b", ""},
	}
	for _, tt := range tests {
		u, err := normaliseGateway(tt.in)
		if tt.want == "" {
			if err == nil {
				t.Errorf("normaliseGateway(%q) = %q; want an error", tt.in, u)
			}
			continue
		}
		if err != nil || u.String() != tt.want {
			t.Errorf("normaliseGateway(%q) = %v, %v; want %q", tt.in, u, err, tt.want)
		}
	}
}

func TestResolveTargetOrder(t *testing.T) {
	t.Parallel()
	given := func(u string) gatewayFlags { return gatewayFlags{url: u, explicit: true} }
	tests := []struct {
		name       string
		flags      gatewayFlags
		stack, env string
		want       string
	}{
		{"flag over all", given("http://flag:1"), "http://stack:1", "http://env:1", "http://flag:1"},
		{"a flag equal to the default is a flag", given(defaultGateway), "http://stack:1", "http://env:1", defaultGateway},
		{"stack over variable", gatewayFlags{url: defaultGateway}, "http://stack:1", "http://env:1", "http://stack:1"},
		{"a stack equal to the default counts as none", gatewayFlags{url: defaultGateway}, defaultGateway, "http://env:1", "http://env:1"},
		{"default", gatewayFlags{url: defaultGateway}, "", "", defaultGateway},
	}
	for _, tt := range tests {
		env := &Env{Lookup: func(key string) (string, bool) {
			v := map[string]string{"OPENFAAS_URL": tt.env, "HOME": t.TempDir()}[key]
			return v, v != ""
		}}
		got, err := env.resolveTarget(tt.flags, tt.stack)
		if err != nil || got.url.String() != tt.want {
			t.Errorf("%s: %v, %v; want %s", tt.name, got.url, err, tt.want)
		}
	}
}
