package builder

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/crypto/curve25519"
	"golang.org/x/crypto/nacl/box"
	"gopkg.in/yaml.v3"
)

// Sealed envelopes.
//
// Source of the format: the sealed secrets of OpenFaaS' remote builder,
// version v1: each value is a NaCl box (Curve25519, XSalsa20, Poly1305) from
// an ephemeral key of the sender to the recipient's key.
const (
	sealVersion   = "v1"
	sealAlgorithm = "nacl/box"

	sealKeySize   = 32 // bytes
	sealNonceSize = 24 // bytes
	sealIDSize    = 8  // characters of the public key's text
)

// ErrNotSealed says that an envelope has no value of a certain name.
var ErrNotSealed = errors.New("not found in sealed envelope")

// SealPublicKey is the key that secrets are sealed for.
type SealPublicKey [sealKeySize]byte

// SealPrivateKey opens what was sealed for its public key.
type SealPrivateKey [sealKeySize]byte

// NewSealKey makes a private key.
func NewSealKey() (SealPrivateKey, error) {
	_, private, err := box.GenerateKey(rand.Reader)
	if err != nil {
		return SealPrivateKey{}, fmt.Errorf("make a key: %w", err)
	}
	return *private, nil
}

// Public returns the public key that belongs to k.
func (k SealPrivateKey) Public() (SealPublicKey, error) {
	public, err := curve25519.X25519(k[:], curve25519.Basepoint)
	if err != nil {
		return SealPublicKey{}, fmt.Errorf("work out the public key: %w", err)
	}
	return SealPublicKey(public), nil
}

// Encode returns the text of k for its file. It is a secret.
func (k SealPrivateKey) Encode() string { return base64.StdEncoding.EncodeToString(k[:]) }

// String keeps the key out of messages.
func (k SealPrivateKey) String() string { return "[private key]" }

// String returns the text of k for its file.
func (k SealPublicKey) String() string { return base64.StdEncoding.EncodeToString(k[:]) }

// ID is a short name of the key, the beginning of its text.
func (k SealPublicKey) ID() string { return k.String()[:sealIDSize] }

// ParseSealPublicKey reads the text of a public key, blanks around it allowed.
func ParseSealPublicKey(text string) (SealPublicKey, error) {
	k, err := parseSealKey(text)
	if err != nil {
		return SealPublicKey{}, fmt.Errorf("invalid public key: %w", err)
	}
	return k, nil
}

// ParseSealPrivateKey reads the text of a private key, blanks around it
// allowed. Its errors do not repeat it.
func ParseSealPrivateKey(text string) (SealPrivateKey, error) {
	k, err := parseSealKey(text)
	if err != nil {
		return SealPrivateKey{}, fmt.Errorf("invalid private key: %w", err)
	}
	return k, nil
}

func parseSealKey(text string) ([sealKeySize]byte, error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return [sealKeySize]byte{}, errors.New("not base64")
	}
	if len(b) != sealKeySize {
		return [sealKeySize]byte{}, fmt.Errorf("expected %d-byte key, got %d", sealKeySize, len(b))
	}
	return [sealKeySize]byte(b), nil
}

// envelope is the file that holds sealed values.
type envelope struct {
	Version   string            `yaml:"version"`
	Algorithm string            `yaml:"algorithm"`
	KeyID     string            `yaml:"key_id,omitempty"` // of the recipient; not checked
	PublicKey string            `yaml:"public_key"`       // of the sender, one per file
	Secrets   map[string]string `yaml:"secrets"`          // base64 of nonce and box, by name in the clear
}

// Seal returns an envelope with the values, which only the owner of the key to
// can open. The names are in the clear.
func Seal(to SealPublicKey, values map[string][]byte) ([]byte, error) {
	public, private, err := box.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	e := envelope{
		Version: sealVersion, Algorithm: sealAlgorithm, KeyID: to.ID(),
		PublicKey: SealPublicKey(*public).String(), Secrets: map[string]string{},
	}
	for name, value := range values {
		var nonce [sealNonceSize]byte
		if _, err := rand.Read(nonce[:]); err != nil {
			return nil, fmt.Errorf("seal %q: %w", name, err)
		}
		sealed := box.Seal(nonce[:], value, &nonce, (*[sealKeySize]byte)(&to), private)
		e.Secrets[name] = base64.StdEncoding.EncodeToString(sealed)
	}
	return yaml.Marshal(e)
}

// Unseal opens an envelope. Named values alone are returned if names are
// given, and one that is missing is [ErrNotSealed].
func Unseal(key SealPrivateKey, text []byte, names ...string) (map[string][]byte, error) {
	var e envelope
	if err := yaml.Unmarshal(text, &e); err != nil {
		return nil, fmt.Errorf("not a sealed envelope: %w", err)
	}
	if e.Version != sealVersion {
		return nil, fmt.Errorf("unsupported envelope version: %q, expected %q", e.Version, sealVersion)
	}
	if e.Algorithm != sealAlgorithm {
		return nil, fmt.Errorf("unsupported algorithm: %q, expected %q", e.Algorithm, sealAlgorithm)
	}
	sender, err := ParseSealPublicKey(e.PublicKey)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(e.Secrets))
	}
	values := make(map[string][]byte, len(names))
	for _, name := range names {
		value, ok := e.Secrets[name]
		if !ok {
			return nil, fmt.Errorf("key %q %w", name, ErrNotSealed)
		}
		if values[name], err = unsealValue(key, sender, value); err != nil {
			return nil, fmt.Errorf("key %q: %w", name, err)
		}
	}
	return values, nil
}

func unsealValue(key SealPrivateKey, sender SealPublicKey, text string) ([]byte, error) {
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("invalid base64: %w", err)
	}
	if len(sealed) < sealNonceSize {
		return nil, fmt.Errorf("sealed value too short: expected at least %d bytes, got %d", sealNonceSize, len(sealed))
	}
	nonce := [sealNonceSize]byte(sealed[:sealNonceSize])
	value, ok := box.Open([]byte{}, sealed[sealNonceSize:], &nonce, (*[sealKeySize]byte)(&sender), (*[sealKeySize]byte)(&key))
	if !ok {
		return nil, errors.New("decryption failed: invalid key or corrupted data")
	}
	return value, nil
}
