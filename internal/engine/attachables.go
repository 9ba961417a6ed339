package engine

import (
	"context"
	"fmt"
	"os"

	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth"
	"github.com/moby/buildkit/session/secrets"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"google.golang.org/grpc"
)

// authServer lends the engine the account of the one host that it asks for, while it pulls the
// base images of a build.
type authServer struct {
	auth.UnimplementedAuthServer
	auth Accounts
}

var _ session.Attachable = authServer{}

func (s authServer) Register(g *grpc.Server) { auth.RegisterAuthServer(g, s) }

func (s authServer) Credentials(ctx context.Context, req *auth.CredentialsRequest) (*auth.CredentialsResponse, error) {
	a, err := s.auth.For(ctx, req.Host)
	if err != nil {
		return nil, err
	}
	if a.IdentityToken != "" {
		return &auth.CredentialsResponse{Secret: a.IdentityToken}, nil
	}
	return &auth.CredentialsResponse{Username: a.Username, Secret: a.Password}, nil
}

// secretStore reads a build secret when a step asks for it.
type secretStore map[string]string

func newSecretServer(list []BuildSecret) session.Attachable {
	store := make(secretStore, len(list))
	for _, s := range list {
		store[s.ID] = s.Path
	}
	return secretsprovider.NewSecretProvider(store)
}

func (s secretStore) GetSecret(_ context.Context, id string) ([]byte, error) {
	path, ok := s[id]
	if !ok {
		return nil, fmt.Errorf("build secret %q: %w", id, secrets.ErrNotFound)
	}
	return os.ReadFile(path)
}
