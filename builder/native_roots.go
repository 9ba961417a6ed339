package builder

import (
	"archive/tar"
	"bytes"
	"encoding/pem"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// rootsFile is where programs in a container look for the certificate
// authorities that they trust.
const rootsFile = "etc/ssl/certs/ca-certificates.crt"

// rootsPEM are the certificate authorities that Mozilla trusts, as of the
// version of the module that this program was made with: those of the building
// machine would give each user an image of his own. Those that are trusted
// under conditions are left out, since the file cannot express them.
func rootsPEM() []byte {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer never fails
		}
	}
	return b.Bytes()
}

// rootsLayer is the layer with the certificate authorities, the same for all
// images of one version of this program.
func rootsLayer() (v1.Layer, error) {
	content := rootsPEM()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, dir := range []string{"etc/", "etc/ssl/", "etc/ssl/certs/"} {
		if err := tw.WriteHeader(&tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755}); err != nil {
			return nil, err
		}
	}
	if err := tw.WriteHeader(&tar.Header{Name: rootsFile, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}); err != nil {
		return nil, err
	}
	if _, err := tw.Write(content); err != nil {
		return nil, err
	}
	if err := tw.Close(); err != nil {
		return nil, err
	}
	return static.NewLayer(b.Bytes(), types.OCIUncompressedLayer), nil
}
