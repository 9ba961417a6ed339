package plugin

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// signatureKey is the annotation of a layer that holds the signature of the
// layer's content.
//
// Source of the format: cosign's SIGNATURE_SPEC.md, "simple signing".
const signatureKey = "dev.cosignproject.cosign/signature"

// maxPayload bounds the signed text, in bytes; it is some 200.
const maxPayload = 64 << 10

// verify looks for a signature of the image by the key. Signatures are the
// layers of an image in the same repository, tagged after the signed digest.
func verify(ref name.Reference, digest v1.Hash, key []byte, options []remote.Option) error {
	check, err := parseKey(key)
	if err != nil {
		return err
	}
	tag := ref.Context().Tag(digest.Algorithm + "-" + digest.Hex + ".sig")
	img, err := remote.Image(tag, options...)
	if err != nil {
		return fmt.Errorf("no signature: %w", err)
	}
	manifest, err := img.Manifest()
	if err != nil {
		return err
	}
	for _, d := range manifest.Layers {
		signature, err := base64.StdEncoding.DecodeString(d.Annotations[signatureKey])
		if err != nil || d.Size > maxPayload {
			continue
		}
		layer, err := img.LayerByDigest(d.Digest)
		if err != nil {
			return err
		}
		payload, err := readLayer(layer)
		if err != nil {
			return err
		}
		if check(payload, signature) && signs(payload, digest) {
			return nil
		}
	}
	return errors.New("no signature of this image is by the given key")
}

// parseKey returns the check of a signature by a PEM public key.
func parseKey(key []byte) (func(message, signature []byte) bool, error) {
	block, _ := pem.Decode(key)
	if block == nil {
		return nil, errors.New("the key is not PEM")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the key is not a public key: %w", err)
	}
	switch k := parsed.(type) {
	case *ecdsa.PublicKey:
		return func(message, signature []byte) bool {
			sum := sha256.Sum256(message)
			return ecdsa.VerifyASN1(k, sum[:], signature)
		}, nil
	case ed25519.PublicKey:
		return func(message, signature []byte) bool { return ed25519.Verify(k, message, signature) }, nil
	}
	return nil, fmt.Errorf("the key is a %T; want ECDSA or Ed25519", parsed)
}

func readLayer(layer v1.Layer) ([]byte, error) {
	r, err := layer.Compressed() // as stored: the payload is what was signed
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, err = io.Copy(&b, io.LimitReader(r, maxPayload))
	return b.Bytes(), errors.Join(err, r.Close())
}

// signs reports whether the signed text speaks of this image.
func signs(payload []byte, digest v1.Hash) bool {
	var p struct {
		Critical struct {
			Image struct {
				Digest string `json:"docker-manifest-digest"`
			} `json:"image"`
		} `json:"critical"`
	}
	return json.Unmarshal(payload, &p) == nil && p.Critical.Image.Digest == digest.String()
}
