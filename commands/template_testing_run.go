package commands

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/faas-cli/faas-cli/builder"
	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/registry"
	"github.com/faas-cli/faas-cli/internal/runtime"
	"github.com/faas-cli/faas-cli/local"
	"github.com/faas-cli/faas-cli/schema"
	"github.com/faas-cli/faas-cli/schema/value"
	"github.com/faas-cli/faas-cli/stack"
	"github.com/faas-cli/faas-cli/templates"
)

// templateTester builds and runs handlers of templates, in a folder and under
// names of its own, all of which Close removes.
type templateTester struct {
	env     *Env
	o       templateTestOptions
	id      string // in the names of images and containers
	dir     string // temporary
	store   *registry.Store
	trust   *templates.Trust
	conn    *engineConn
	client  *http.Client
	folders []io.Closer
}

func (e *Env) newTemplateTester(o templateTestOptions) (*templateTester, error) {
	dir, err := os.MkdirTemp("", "faas-cli-template-test-*")
	if err != nil {
		return nil, err
	}
	return &templateTester{
		env: e, o: o, id: "test-" + strings.ToLower(rand.Text()[:8]), dir: dir,
		store: registry.Open(filepath.Join(dir, "images")), trust: e.templateTrust(), conn: &engineConn{env: e}, client: e.proofClient(),
	}, nil
}

// Close removes what the tests made.
func (t *templateTester) Close() {
	for _, f := range t.folders {
		_ = f.Close()
	}
	_ = t.conn.Close()
	if err := os.RemoveAll(t.dir); err != nil {
		t.env.warnf("left behind: %v", err)
	}
}

// templateTest is the test of one handler.
type templateTest struct {
	t        *templateTester
	root     *os.Root // the template's folder
	template templates.Template
	spec     templates.TestCase
	fn       stack.Function
	memory   int64 // bytes
	checks   []templateCheck
}

// plan reads the tests of a template.
func (t *templateTester) plan(dir string) ([]*templateTest, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	t.folders = append(t.folders, root)
	tpl, err := templates.OpenDir(filepath.Base(dir), root, t.trust)
	if err != nil {
		return nil, err
	}
	if t.o.builder == builderNative {
		tpl.Trusted = tpl.Config.Local != nil // who says native wants it built and run here
	}
	cases, err := tpl.TestCases()
	if err != nil {
		return nil, err
	}
	var tests []*templateTest
	for i, c := range cases {
		memory, err := value.Memory(c.Spec.Memory)
		if err != nil {
			return nil, fmt.Errorf("template %q: memory of handler %s: %w", tpl.Name, c.Name, err)
		}
		name := fmt.Sprintf("%s-%d", t.id, len(t.folders)*100+i)
		tests = append(tests, &templateTest{
			t: t, root: root, template: tpl, spec: c, memory: memory,
			fn: stack.Function{Name: name, Function: schema.Function{Language: tpl.Name, Handler: "./" + c.Dir, Image: "faas-cli.test/" + name + ":test"}},
		})
	}
	return tests, nil
}

// notTested is the outcome of a check that could not be made: the reason.
type notTested string

func (why notTested) Error() string { return string(why) }

// check runs one check and keeps its outcome; it says whether it passed.
func (j *templateTest) check(name string, run func() error) bool {
	begin := j.t.env.Now()
	err := run()
	c := templateCheck{Template: j.template.Name, Handler: j.spec.Name, Check: name, Status: testPassed, Took: j.t.env.Now().Sub(begin)}
	if err != nil {
		c.Status, c.Message = testFailed, err.Error()
		if why := notTested(""); errors.As(err, &why) {
			c.Status = testSkipped
		}
	}
	j.checks = append(j.checks, c)
	return err == nil
}

// built is an image and what runs it.
type built struct {
	image   string
	digest  string
	user    string
	process bool
	rt      runtime.Runtime
	client  *engine.Client // nil for a process
}

// run tests the handler; whatever goes wrong is in its checks.
func (j *templateTest) run(ctx context.Context) {
	var b built
	if !j.check("builds", func() (err error) { b, err = j.build(ctx); return err }) {
		return
	}
	defer j.remove(ctx, b)
	j.check("does not run as root", func() error {
		if user, _, _ := strings.Cut(b.user, ":"); user == "" || user == "root" || user == "0" {
			return fmt.Errorf("the image's user is %q", b.user)
		}
		return nil
	})
	j.serve(ctx, b, "", runtime.Spec{})
	if b.process {
		noContainer := func() error { return notTested("it runs as a process; a container engine is needed for this") }
		j.check("works with a read-only file system", noContainer)
		j.check("works as a user that it does not know", noContainer)
		return
	}
	j.serve(ctx, b, "with a read-only file system", runtime.Spec{ReadOnlyRoot: true})
	other := b
	if j.check("can be started as another user", func() (err error) { other, err = j.as(ctx, b); return err }) {
		defer j.remove(ctx, other)
		j.serve(ctx, other, "as a user that it does not know", runtime.Spec{})
	}
}

// build builds the handler with the engine that is asked for.
func (j *templateTest) build(ctx context.Context) (built, error) {
	contexts := &builder.ContextBuilder{Project: j.root}
	c, err := contexts.Prepare(ctx, j.fn, j.template)
	if err != nil {
		return built{}, err
	}
	args, err := builder.Arguments(c, nil, nil)
	if err != nil {
		return built{}, err
	}
	req := builder.Request{Context: c, Image: j.fn.Image, Args: args}
	native := j.t.o.builder == builderNative || j.t.o.builder != builderDocker && c.Local() != nil
	if native {
		return j.buildNative(ctx, req)
	}
	return j.buildDocker(ctx, req)
}

func (j *templateTest) buildNative(ctx context.Context, req builder.Request) (built, error) {
	cache, err := j.t.env.cacheDir()
	if err != nil {
		return built{}, err
	}
	req.Outputs = []builder.Output{{Kind: builder.OutputLocal}}
	result, err := builder.Build(ctx, &builder.Native{Store: j.t.store, Cache: filepath.Join(cache, "native"), Env: j.t.env.Environ()}, req, nil)
	if err != nil {
		return built{}, err
	}
	images := local.StoreImages{Store: j.t.store}
	image, err := images.Image(ctx, result.Digest.String())
	if err != nil {
		return built{}, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return built{}, err
	}
	self, err := j.t.env.Executable()
	if err != nil {
		return built{}, err
	}
	return built{image: j.fn.Image, digest: result.Digest.String(), user: config.Config.User, process: true, rt: runtime.NewProcess(runtime.ProcessConfig{
		Dir: filepath.Join(j.t.dir, "run-"+j.fn.Name), Images: images, Supervisor: []string{self, "local", superviseName},
		Path: j.t.env.get("PATH"), Log: slog.New(slog.DiscardHandler),
	})}, nil
}

func (j *templateTest) buildDocker(ctx context.Context, req builder.Request) (built, error) {
	client, err := j.t.conn.get(ctx)
	if err != nil {
		if engine.IsUnavailable(err) && j.template.Config.Local != nil {
			return built{}, fmt.Errorf("%w; --builder native builds and runs it on this machine, as you", err)
		}
		return built{}, err
	}
	req.Outputs = []builder.Output{{Kind: builder.OutputEngine}}
	if _, err := builder.Build(ctx, &builder.Docker{Client: client, Project: j.t.dir}, req, nil); err != nil {
		return built{}, err
	}
	image, err := client.Image(ctx, req.Image)
	if err != nil {
		return built{}, err
	}
	return built{image: req.Image, digest: image.ID, user: image.User, client: client, rt: runtime.NewDocker(ctx, runtime.DockerOptions{
		Engine: client, Instance: j.fn.Name, Dir: filepath.Join(j.t.dir, "docker-"+j.fn.Name),
	})}, nil
}

// unknownUser is a user that no image has.
const unknownUser = "12345:12345"

// as makes an image that differs from b in its user alone.
func (j *templateTest) as(ctx context.Context, b built) (built, error) {
	dir, err := os.MkdirTemp(j.t.dir, "as-*")
	if err != nil {
		return b, err
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM "+b.image+"\nUSER "+unknownUser+"\n"), 0o644); err != nil {
		return b, err
	}
	root, err := os.OpenRoot(j.t.dir)
	if err != nil {
		return b, err
	}
	defer root.Close()
	fn := stack.Function{Name: j.fn.Name + "-as", Function: schema.Function{Language: dockerfileLang, Handler: "./" + filepath.Base(dir)}}
	c, err := (&builder.ContextBuilder{Project: root}).Prepare(ctx, fn, templates.Template{})
	if err != nil {
		return b, err
	}
	req := builder.Request{Context: c, Image: "faas-cli.test/" + fn.Name + ":test", Outputs: []builder.Output{{Kind: builder.OutputEngine}}}
	if _, err := builder.Build(ctx, &builder.Docker{Client: b.client, Project: j.t.dir}, req, nil); err != nil {
		return b, err
	}
	image, err := b.client.Image(ctx, req.Image)
	b.image, b.digest = req.Image, image.ID
	return b, err
}

// remove takes back what a build and its runs left.
func (j *templateTest) remove(ctx context.Context, b built) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), testStopGrace)
	defer cancel()
	err := errors.Join(b.rt.Purge(ctx), b.rt.Close())
	if b.client != nil {
		err = errors.Join(err, b.client.RemoveImage(ctx, b.image, true))
	}
	if err != nil {
		j.t.env.warnf("left behind by the test of %s: %v", j.template.Name, err)
	}
}
