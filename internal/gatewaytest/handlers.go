package gatewaytest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faas-cli/faas-cli/schema"
)

func (s *Server) routes() {
	s.mux = http.NewServeMux()
	system := func(pattern string, h http.HandlerFunc) { s.mux.HandleFunc(pattern, s.authenticated(h)) }
	system("GET /system/functions", s.listFunctions)
	system("POST /system/functions", s.createFunction)
	system("PUT /system/functions", s.updateFunction)
	system("DELETE /system/functions", s.deleteFunction)
	system("GET /system/function/{name}", s.functionStatus)
	system("POST /system/scale-function/{name}", s.scaleFunction)
	system("GET /system/secrets", s.listSecrets)
	system("POST /system/secrets", s.writeSecret)
	system("PUT /system/secrets", s.writeSecret)
	system("DELETE /system/secrets", s.deleteSecret)
	system("GET /system/namespaces", s.listNamespaces)
	system("GET /system/namespace/{name}", s.describeNamespace)
	system("POST /system/namespace/{$}", s.writeNamespace)
	system("PUT /system/namespace/{name}", s.writeNamespace)
	system("DELETE /system/namespace/{name}", s.deleteNamespace)
	system("GET /system/logs", s.readLogs)
	system("GET /system/info", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, schema.GatewayInfo{
			Provider: &schema.ProviderInfo{
				Name: "gatewaytest", Orchestration: "memory", Version: &schema.VersionInfo{Release: "1.0", SHA: "abc123"},
			},
			Version: &schema.VersionInfo{Release: "0.27.12", SHA: "def456"},
			Arch:    "x86_64",
		})
	})
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "OK") })
	s.mux.HandleFunc("POST /oauth/token", s.exchangeToken)
	s.mux.HandleFunc("/function/{name}", s.invoke)
	s.mux.HandleFunc("/function/{name}/{path...}", s.invoke)
	s.mux.HandleFunc("POST /async-function/{name}", s.invokeAsync)
	s.mux.HandleFunc("POST /async-function/{name}/{path...}", s.invokeAsync)
}

func (s *Server) authenticated(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch {
		case s.o.User == "" && s.o.Token == "":
		case s.o.User != "" && user == s.o.User && password == s.o.Password:
		case s.o.Token != "" && bearer == s.o.Token:
		default:
			w.Header().Set("WWW-Authenticate", `Basic realm="Restricted"`)
			http.Error(w, "invalid credentials", http.StatusUnauthorized)
			return
		}
		h(w, r)
	}
}

// read decodes a request's body and answers 400 where it cannot.
func read(w http.ResponseWriter, r *http.Request, v any) bool {
	if err := json.NewDecoder(r.Body).Decode(v); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func (s *Server) listFunctions(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	namespace := at(r.URL.Query().Get("namespace"), "").namespace
	list := s.list(func(k key) bool { return k.namespace == namespace })
	s.mu.Unlock()
	writeJSON(w, list)
}

func (s *Server) createFunction(w http.ResponseWriter, r *http.Request) { s.deploy(w, r, false) }
func (s *Server) updateFunction(w http.ResponseWriter, r *http.Request) { s.deploy(w, r, true) }

func (s *Server) deploy(w http.ResponseWriter, r *http.Request, update bool) {
	var d schema.FunctionDeployment
	if !read(w, r, &d) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := at(d.Namespace, d.Service)
	_, exists := s.functions[k]
	switch {
	case d.Service == "" || d.Image == "":
		http.Error(w, "service and image are required", http.StatusBadRequest)
		return
	case update && !exists:
		http.Error(w, fmt.Sprintf("function: %s.%s not found", k.name, k.namespace), http.StatusNotFound)
		return
	case !update && exists:
		http.Error(w, fmt.Sprintf("function %q already exists", k.name), http.StatusConflict)
		return
	}
	if _, ok := s.namespaces[k.namespace]; !ok {
		http.Error(w, "namespace not valid", http.StatusBadRequest)
		return
	}
	for _, name := range d.Secrets {
		if _, ok := s.secrets[at(k.namespace, name)]; !ok {
			http.Error(w, "unable to find secret: "+name, http.StatusBadRequest)
			return
		}
	}
	s.put(d)
	if update {
		w.WriteHeader(http.StatusOK)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func (s *Server) deleteFunction(w http.ResponseWriter, r *http.Request) {
	var d schema.DeleteFunctionRequest
	if !read(w, r, &d) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := at(d.Namespace, d.FunctionName)
	if _, ok := s.functions[k]; !ok {
		http.Error(w, fmt.Sprintf("function %s.%s not found", k.name, k.namespace), http.StatusNotFound)
		return
	}
	delete(s.functions, k)
	w.WriteHeader(http.StatusAccepted)
}

func (s *Server) functionStatus(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	fn, ok := s.functions[at(r.URL.Query().Get("namespace"), r.PathValue("name"))]
	if !ok {
		s.mu.Unlock()
		w.WriteHeader(http.StatusNotFound)
		return
	}
	status := fn.status
	status.InvocationCount = 0 // only the list has it
	if r.URL.Query().Get("usage") == "1" {
		status.Usage = &schema.FunctionUsage{CPU: 12, TotalMemoryBytes: 7 << 20}
	}
	if fn.polls--; fn.polls == 0 {
		fn.status.AvailableReplicas = fn.status.Replicas
	}
	s.mu.Unlock()
	writeJSON(w, status)
}

func (s *Server) scaleFunction(w http.ResponseWriter, r *http.Request) {
	var d schema.ScaleServiceRequest
	if !read(w, r, &d) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fn, ok := s.functions[at(d.Namespace, r.PathValue("name"))]
	if !ok || d.ServiceName != r.PathValue("name") {
		http.Error(w, fmt.Sprintf("function %s not found", r.PathValue("name")), http.StatusNotFound)
		return
	}
	fn.status.Replicas, fn.status.AvailableReplicas = d.Replicas, d.Replicas
	w.WriteHeader(http.StatusAccepted)
}

func (s *Server) listSecrets(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	namespace := at(r.URL.Query().Get("namespace"), "").namespace
	list := []schema.Secret{}
	for k := range s.secrets {
		if k.namespace == namespace {
			list = append(list, schema.Secret{Name: k.name, Namespace: k.namespace})
		}
	}
	slices.SortFunc(list, func(a, b schema.Secret) int { return strings.Compare(a.Name, b.Name) })
	writeJSON(w, list)
}

func (s *Server) writeSecret(w http.ResponseWriter, r *http.Request) {
	var secret schema.Secret
	if !read(w, r, &secret) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := at(secret.Namespace, secret.Name)
	_, exists := s.secrets[k]
	switch create := r.Method == http.MethodPost; {
	case create && exists:
		http.Error(w, fmt.Sprintf("secret %q already exists", k.name), http.StatusConflict)
		return
	case !create && !exists:
		http.Error(w, fmt.Sprintf("secret %q not found", k.name), http.StatusNotFound)
		return
	}
	secret.Namespace = k.namespace
	s.secrets[k] = secret
	w.WriteHeader(http.StatusAccepted)
}

// deleteSecret reads the namespace from the query alone, as faasd does.
func (s *Server) deleteSecret(w http.ResponseWriter, r *http.Request) {
	var secret schema.Secret
	if !read(w, r, &secret) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := at(r.URL.Query().Get("namespace"), secret.Name)
	if _, ok := s.secrets[k]; !ok {
		http.Error(w, fmt.Sprintf("secret %q not found", k.name), http.StatusNotFound)
		return
	}
	delete(s.secrets, k)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) listNamespaces(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	writeJSON(w, slices.Sorted(maps.Keys(s.namespaces)))
}

func (s *Server) describeNamespace(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ns, ok := s.namespaces[r.PathValue("name")]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	writeJSON(w, ns)
}

func (s *Server) writeNamespace(w http.ResponseWriter, r *http.Request) {
	var ns schema.FunctionNamespace
	if !read(w, r, &ns) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, exists := s.namespaces[ns.Name]
	switch create := r.Method == http.MethodPost; {
	case create && exists:
		http.Error(w, fmt.Sprintf("namespace %s already exists", ns.Name), http.StatusConflict)
		return
	case !create && !exists:
		http.Error(w, "namespace not found", http.StatusNotFound)
		return
	case create:
		w.WriteHeader(http.StatusCreated)
	default:
		w.WriteHeader(http.StatusAccepted)
	}
	s.namespaces[ns.Name] = ns
}

func (s *Server) deleteNamespace(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := r.PathValue("name")
	if _, ok := s.namespaces[name]; !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	delete(s.namespaces, name)
	w.WriteHeader(http.StatusAccepted)
}

func (s *Server) readLogs(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	k := at(q.Get("namespace"), q.Get("name"))
	follow, _ := strconv.ParseBool(q.Get("follow"))
	since, err := time.Parse(time.RFC3339, q.Get("since"))
	if err != nil && q.Has("since") {
		http.Error(w, "since: "+err.Error(), http.StatusUnprocessableEntity)
		return
	}
	tail := -1
	if q.Has("tail") {
		if tail, err = strconv.Atoi(q.Get("tail")); err != nil {
			http.Error(w, "tail: "+err.Error(), http.StatusUnprocessableEntity)
			return
		}
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	flush := http.NewResponseController(w).Flush
	enc := json.NewEncoder(w)
	for seen := 0; ; tail = -1 {
		s.mu.Lock()
		var lines []schema.LogMessage
		for _, m := range s.logs[seen:] {
			if m.Name == k.name && (m.Namespace == "" || m.Namespace == k.namespace) && !m.Timestamp.Before(since) {
				lines = append(lines, m)
			}
		}
		seen = len(s.logs)
		grown := s.grown
		s.mu.Unlock()
		if tail >= 0 {
			lines = lines[max(0, len(lines)-tail):]
		}
		for _, m := range lines {
			_ = enc.Encode(m)
		}
		_ = flush()
		if !follow {
			return
		}
		select {
		case <-grown:
		case <-r.Context().Done():
			return
		}
	}
}

// exchangeToken answers with the subject token behind "fn-".
func (s *Server) exchangeToken(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("subject_token") == "" || r.FormValue("audience") == "" {
		w.WriteHeader(http.StatusBadRequest)
		writeJSON(w, map[string]string{"error": "invalid_request", "error_description": "subject_token and audience are required"})
		return
	}
	writeJSON(w, map[string]any{
		"access_token": "fn-" + r.FormValue("subject_token"), "token_type": "Bearer", "expires_in": 60, "scope": "function",
	})
}

// find resolves NAME or NAME.NAMESPACE and counts the call.
func (s *Server) find(route string) (http.Handler, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := at("", route)
	fn, ok := s.functions[k]
	if i := strings.LastIndexByte(route, '.'); !ok && i > 0 {
		k = at(route[i+1:], route[:i])
		fn, ok = s.functions[k]
	}
	if !ok {
		return nil, false
	}
	fn.status.InvocationCount++
	if h, ok := s.handlers[k.name]; ok {
		return h, true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }), true
}

func (s *Server) invoke(w http.ResponseWriter, r *http.Request) {
	h, ok := s.find(r.PathValue("name"))
	if !ok {
		http.Error(w, "function not found: "+r.PathValue("name"), http.StatusNotFound)
		return
	}
	http.StripPrefix("/function/"+r.PathValue("name"), h).ServeHTTP(w, r)
}

func (s *Server) invokeAsync(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.find(r.PathValue("name")); !ok {
		http.Error(w, "function not found: "+r.PathValue("name"), http.StatusNotFound)
		return
	}
	s.mu.Lock()
	s.calls++
	id := fmt.Sprintf("call-%d", s.calls)
	s.mu.Unlock()
	w.Header().Set("X-Call-Id", id)
	w.Header().Set("X-Start-Time", strconv.FormatInt(time.Now().UnixNano(), 10))
	w.WriteHeader(http.StatusAccepted)
}
