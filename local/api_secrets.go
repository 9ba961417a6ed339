package local

import (
	"cmp"
	"errors"
	"io/fs"
	"net/http"

	"github.com/faas-cli/faas-cli/schema"
)

func (s *Server) listSecrets(w http.ResponseWriter, r *http.Request) {
	namespace := cmp.Or(r.URL.Query().Get("namespace"), DefaultNamespace)
	if err := s.fleet.checkNamespace(namespace); err != nil {
		s.fail(w, err)
		return
	}
	names, err := s.fleet.state.secrets(namespace)
	if err != nil {
		s.fail(w, err)
		return
	}
	all := []schema.Secret{}
	for _, name := range names {
		all = append(all, schema.Secret{Name: name, Namespace: namespace})
	}
	writeBody(w, all)
}

func (s *Server) createSecret(w http.ResponseWriter, r *http.Request) {
	sec, value, ok := s.readSecret(w, r)
	if !ok {
		return
	}
	err := s.fleet.changeSecret(r.Context(), sec.Namespace, sec.Name, func() error {
		if _, err := s.fleet.state.secret(sec.Namespace, sec.Name); !errors.Is(err, fs.ErrNotExist) {
			return cmp.Or(err, errExists)
		}
		return s.fleet.state.writeSecret(sec.Namespace, sec.Name, value)
	})
	if errors.Is(err, errExists) {
		refuse(w, http.StatusConflict, "secret "+sec.Name+" already exists")
		return
	}
	s.answer(w, err, http.StatusCreated)
}

func (s *Server) updateSecret(w http.ResponseWriter, r *http.Request) {
	sec, value, ok := s.readSecret(w, r)
	if !ok {
		return
	}
	err := s.fleet.changeSecret(r.Context(), sec.Namespace, sec.Name, func() error {
		if _, err := s.fleet.state.secret(sec.Namespace, sec.Name); err != nil {
			return err
		}
		return s.fleet.state.writeSecret(sec.Namespace, sec.Name, value)
	})
	if errors.Is(err, fs.ErrNotExist) {
		refuse(w, http.StatusNotFound, "secret "+sec.Name+" not found")
		return
	}
	s.answer(w, err, http.StatusAccepted)
}

func (s *Server) deleteSecret(w http.ResponseWriter, r *http.Request) {
	sec, _, ok := s.readSecret(w, r)
	if !ok {
		return
	}
	err := s.fleet.changeSecret(r.Context(), sec.Namespace, sec.Name, func() error {
		return s.fleet.state.removeSecret(sec.Namespace, sec.Name)
	})
	if errors.Is(err, fs.ErrNotExist) {
		refuse(w, http.StatusNotFound, "secret "+sec.Name+" not found")
		return
	}
	s.answer(w, err, http.StatusAccepted)
}

// readSecret reads and checks the body; when it cannot be used, it answers and returns false. The namespace may stand in
// the query instead, where some servers want it (KB-74).
func (s *Server) readSecret(w http.ResponseWriter, r *http.Request) (sec schema.Secret, value []byte, ok bool) {
	if !readBody(w, r, &sec) {
		return sec, nil, false
	}
	sec.Namespace = cmp.Or(sec.Namespace, r.URL.Query().Get("namespace"), DefaultNamespace)
	if !validSecretName(sec.Name) {
		refuse(w, http.StatusBadRequest, "the name of the secret is not valid: a-z, 0-9, - and . are")
		return sec, nil, false
	}
	if err := s.fleet.checkNamespace(sec.Namespace); err != nil {
		s.fail(w, err)
		return sec, nil, false
	}
	value = sec.RawValue
	if len(value) == 0 {
		value = []byte(sec.Value)
	}
	return sec, value, true
}

// answer ends a request without a body.
func (s *Server) answer(w http.ResponseWriter, err error, status int) {
	if err != nil {
		s.fail(w, err)
		return
	}
	w.WriteHeader(status)
}
