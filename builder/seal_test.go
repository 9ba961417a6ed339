package builder_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"maps"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/faas-cli/faas-cli/builder"
)

// The interoperability vector of the format.
const (
	sealedPrivate  = "8HQiV5n4LazcwVcy2DsWNLSb6Q6bPnp29APlLFngE9Q="
	sealedPublic   = "VWqIobJbVpJaO16yalLOiPgTuy0gooystaggQ2RZCjM="
	sealedEnvelope = `version: v1
algorithm: nacl/box
key_id: VWqIobJb
public_key: vWteSWXetCoBfZtEoHnF5R4B3v7Uznsg9FERhS4W4xw=
secrets:
    a: v3M+dScGGjUmjenOTL4/OTSovrq+73mBrGQhAz/etFDv3NBJKOlXuIC4pw==
    e: 5zv8jTioa04oWPaObYdST2nhCx958zF9N541F0hTO6+qfywmJ5bUFQ==
    f: IUhYHkyj/knpoMNnYz17nBxSpHvq9g4qjz6uCbcnfHQOP3QjskK+rQHfMCFt
`
)

func TestUnsealOpensWhatOthersSealed(t *testing.T) {
	t.Parallel()
	key, err := builder.ParseSealPrivateKey(" " + sealedPrivate + "\n")
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.Public()
	if err != nil || public.String() != sealedPublic || public.ID() != "VWqIobJb" {
		t.Errorf("public key %s (%s), %v", public, public.ID(), err)
	}
	want := map[string][]byte{"a": []byte("b=c"), "e": {}, "f": {0x62, 0x69, 0x6e, 0x01, 0x0a}}
	got, err := builder.Unseal(key, []byte(sealedEnvelope))
	if err != nil || !maps.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("values %q, %v; want %q", got, err, want)
	}
	if one, err := builder.Unseal(key, []byte(sealedEnvelope), "a"); err != nil || len(one) != 1 || string(one["a"]) != "b=c" {
		t.Errorf("one value: %q, %v", one, err)
	}
}

func TestSealIsOpenedByUnseal(t *testing.T) {
	t.Parallel()
	key, err := builder.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.Public()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string][]byte{"b": []byte("x\xff\n"), "a": {}, "c": bytes.Repeat([]byte("y"), 100_000)}
	text, err := builder.Seal(public, values)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := builder.Unseal(key, text); err != nil || !maps.EqualFunc(got, values, bytes.Equal) {
		t.Errorf("values %.100q, %v", got, err)
	}
	lines := strings.Split(string(text), "\n")
	if lines[0] != "version: v1" || lines[1] != "algorithm: nacl/box" || lines[2] != "key_id: "+public.ID() ||
		!strings.HasPrefix(lines[5], "    a: ") || !strings.HasPrefix(lines[6], "    b: ") {
		t.Errorf("envelope %.300s", text)
	}
	var e struct{ Secrets map[string]string }
	if err := yaml.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	if raw, err := base64.StdEncoding.DecodeString(e.Secrets["a"]); err != nil || len(raw) != 40 {
		t.Errorf("an empty value is sealed in %d bytes, %v; want 40", len(raw), err)
	}
	again, err := builder.Seal(public, values)
	if err != nil || bytes.Equal(text, again) {
		t.Errorf("sealing twice gives the same envelope, %v", err)
	}
}

func TestUnsealErrors(t *testing.T) {
	t.Parallel()
	key, err := builder.ParseSealPrivateKey(sealedPrivate)
	if err != nil {
		t.Fatal(err)
	}
	other, err := builder.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	edit := func(old, with string) string { return strings.Replace(sealedEnvelope, old, with, 1) }
	for _, tt := range []struct {
		text string
		key  builder.SealPrivateKey
		want string
	}{
		{edit("v1", "v2"), key, `unsupported envelope version: "v2", expected "v1"`},
		{edit("nacl/box", "aes"), key, `unsupported algorithm: "aes", expected "nacl/box"`},
		{edit("v3M+", "~~~~"), key, `key "a": invalid base64`},
		{edit("v3M+dScGGjUmjenOTL4/OTSovrq+73mBrGQhAz/etFDv3NBJKOlXuIC4pw==", "YWJj"), key, `key "a": sealed value too short: expected at least 24 bytes, got 3`},
		{edit("v3M+", "v3M/"), key, `key "a": decryption failed`},
		{sealedEnvelope, other, "decryption failed"},
		{edit("vWte", "===="), key, "invalid public key"},
		{edit("vWteSWXetCoBfZtEoHnF5R4B3v7Uznsg9FERhS4W4xw=", "YWJj"), key, "expected 32-byte key, got 3"},
		{"a: [", key, "not a sealed envelope"},
	} {
		if _, err := builder.Unseal(tt.key, []byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v; want one with %q", err, tt.want)
		}
	}
	if _, err := builder.Unseal(key, []byte(sealedEnvelope), "zz"); !errors.Is(err, builder.ErrNotSealed) || !strings.Contains(err.Error(), `"zz"`) {
		t.Errorf("a name that is not there: %v", err)
	}
	if _, err := builder.ParseSealPrivateKey("secret-but-no-key"); err == nil || strings.Contains(err.Error(), "secret-but") {
		t.Errorf("a broken private key: %v", err)
	}
}
