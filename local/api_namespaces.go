package local

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/faas-cli/faas-cli/schema"
)

func (s *Server) listNamespaces(w http.ResponseWriter, _ *http.Request) {
	all, err := s.fleet.state.namespaces()
	if err != nil {
		s.fail(w, err)
		return
	}
	names := []string{}
	for _, n := range all {
		names = append(names, n.Name)
	}
	writeBody(w, names)
}

// namespace finds a namespace; when there is none, it answers and returns false.
func (s *Server) namespace(w http.ResponseWriter, name string) (schema.FunctionNamespace, bool) {
	all, err := s.fleet.state.namespaces()
	if err != nil {
		s.fail(w, err)
		return schema.FunctionNamespace{}, false
	}
	i := slices.IndexFunc(all, func(n schema.FunctionNamespace) bool { return n.Name == name })
	if i < 0 {
		refuse(w, http.StatusNotFound, fmt.Sprintf("namespace %s not found", name))
		return schema.FunctionNamespace{}, false
	}
	return all[i], true
}

func (s *Server) describeNamespace(w http.ResponseWriter, r *http.Request) {
	if n, ok := s.namespace(w, r.PathValue("name")); ok {
		writeBody(w, n)
	}
}

func (s *Server) createNamespace(w http.ResponseWriter, r *http.Request) {
	var n schema.FunctionNamespace
	if !readBody(w, r, &n) {
		return
	}
	if !validName(n.Name) {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("namespace %q is not valid: at most 63 of a-z, 0-9 and -", n.Name))
		return
	}
	if s.fleet.checkNamespace(n.Name) == nil {
		refuse(w, http.StatusConflict, fmt.Sprintf("namespace %s already exists", n.Name))
		return
	}
	s.answer(w, s.fleet.state.writeNamespace(n), http.StatusCreated)
}

func (s *Server) updateNamespace(w http.ResponseWriter, r *http.Request) {
	var n schema.FunctionNamespace
	if !readBody(w, r, &n) {
		return
	}
	if _, ok := s.namespace(w, r.PathValue("name")); !ok {
		return
	}
	n.Name = r.PathValue("name")
	s.answer(w, s.fleet.state.writeNamespace(n), http.StatusAccepted)
}

// deleteNamespace removes a namespace with its functions and secrets.
func (s *Server) deleteNamespace(w http.ResponseWriter, r *http.Request) {
	n, ok := s.namespace(w, r.PathValue("name"))
	if !ok {
		return
	}
	if n.Name == DefaultNamespace {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("namespace %s cannot be removed", n.Name))
		return
	}
	ctx := context.WithoutCancel(r.Context())
	var errs []error
	for _, f := range s.fleet.list(n.Name) {
		if err := f.delete(ctx); err != nil && !errors.Is(err, errNoFunction) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		s.fail(w, err)
		return
	}
	s.answer(w, s.fleet.state.removeNamespace(n.Name), http.StatusAccepted)
}
