package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/builder"
	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/internal/progress"
	"github.com/faas-cli/faas-cli/stack"
)

// defaultPushParallel is how many images are pushed at the same time: enough
// to hide the latency of a registry, too few to share its bandwidth badly.
const defaultPushParallel = 4

type pushOptions struct {
	stack    stackFlags
	gateway  gatewayFlags
	tag      stack.TagFormat
	parallel int
	show     progressFlags
	format   output.Format
}

func newPushCmd(env *Env) *cobra.Command {
	var o pushOptions
	cmd := &cobra.Command{
		Use:   "push",
		Short: "Push images of functions",
		Long: `Push the images of the functions in the stack file. When the gateway is the
local platform they are handed to it and no registry is asked; otherwise they
go to the registries that their names say. Layers that a registry has are not
sent again. All images are tried, also when one fails.`,
		Example: `  faas-cli push
  faas-cli push -f hello.yml --tag sha
  faas-cli push --parallel 8 --filter 'api-*'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.stack.complete(cmd)
			o.gateway.complete(cmd)
			if err := checkParallel(o.parallel); err != nil {
				return err
			}
			return runPush(cmd.Context(), env, o)
		},
	}
	o.stack.register(cmd)
	o.stack.registerSelection(cmd)
	o.gateway.register(cmd)
	o.show.register(cmd)
	registerLongFormat(cmd, &o.format)
	f := cmd.Flags()
	registerTag(cmd, &o.tag)
	f.IntVar(&o.parallel, "parallel", defaultPushParallel, "push up to `n` images at once")
	return cmd
}

// runPush pushes the images of the stack file's functions.
func runPush(ctx context.Context, env *Env, o pushOptions) error {
	st, err := env.requireStack(ctx, o.stack)
	if err != nil {
		return err
	}
	t, err := env.resolveTarget(o.gateway, st.Gateway)
	if err != nil {
		return err
	}
	to, err := env.buildTargetOf(ctx, t, remoteFlags{})
	if err != nil {
		return err
	}
	jobs, err := env.planJobs(ctx, st.Functions, o.tag)
	if err != nil {
		return err
	}
	if !to.local {
		if err := checkPrefixes(jobs); err != nil {
			return err
		}
	}
	pusher := &pusher{env: env, to: to, conn: &engineConn{env: env}}
	defer pusher.conn.Close() //nolint:errcheck // nothing is left to be sent
	if !o.show.silent() {
		env.progressf("%s", to.describe())
	}
	outcomes, err := env.runStages(ctx, o.show, jobs, pusher.stage(o.parallel))
	return errors.Join(env.reportOutcomes(outcomes, o.format, o.show.metadataFile), err)
}

// checkPrefixes refuses images that no registry would take from the user:
// without a slash they are Docker Hub's own. None is pushed then.
func checkPrefixes(jobs []*job) error {
	var bare []string
	for _, j := range jobs {
		if !j.skip && !strings.Contains(j.image, "/") {
			bare = append(bare, j.fn.Name)
		}
	}
	if len(bare) == 0 {
		return nil
	}
	return withHint(fmt.Errorf("cannot push the images of %s: they have neither a registry nor a user in their name", strings.Join(bare, ", ")),
		"name them USER/FUNCTION or REGISTRY/USER/FUNCTION in the stack file; faas-cli new --prefix does")
}

// A pusher takes images to registries, or makes sure that the local platform
// has them.
type pusher struct {
	env  *Env
	to   buildTarget
	conn *engineConn
}

// pusher shares the connection of the builds.
func (w *buildWork) pusher() *pusher {
	return &pusher{env: w.env, to: w.engines.to, conn: w.engines.conn}
}

func (p *pusher) stage(limit int) stage {
	return newStage(limit, func(ctx context.Context, j *job, show *progress.Display, out *outcome) error {
		if j.skip {
			show.Step(j.fn.Name, "skip_build: not pushed")
			return nil
		}
		tell := func(e builder.Event) {
			e.Function = j.fn.Name
			show.On(e)
		}
		digest, err := p.push(ctx, j.image, tell)
		if err != nil {
			return fmt.Errorf("push %s: %w", j.fn.Name, err)
		}
		out.Status, out.shipped = "pushed", !p.to.local
		if p.to.local {
			out.Status = "handed over"
		}
		if digest != "" {
			out.Digest = digest
		}
		return nil
	})
}

// notBuilt says that there is no image to push.
func notBuilt(image string) error {
	return withHint(fmt.Errorf("image %q is neither in the image store nor in the container engine", image), "build it first: faas-cli build")
}

// push finds the image where it was built. The image store comes first: a build
// by the container engine takes the name out of it.
func (p *pusher) push(ctx context.Context, image string, on func(builder.Event)) (string, error) {
	store, err := p.env.imageStore()
	if err != nil {
		return "", err
	}
	h, ok, err := store.Resolve(image)
	if err != nil {
		return "", err
	}
	if ok {
		if p.to.local {
			return h.String(), nil // builds and platform share the store
		}
		on(builder.Event{Kind: builder.EventStep, Text: "pushing " + image})
		d, err := p.env.registries().PushStored(ctx, store, image, nil, func(done, total int64) {
			on(builder.Event{Kind: builder.EventProgress, Done: done, Total: total})
		})
		return string(d), err
	}
	client, err := p.conn.get(ctx)
	if engine.IsUnavailable(err) {
		return "", notBuilt(image)
	}
	if err != nil {
		return "", err
	}
	id, err := p.inEngine(ctx, client, image)
	if err != nil || p.to.local {
		return id, err
	}
	on(builder.Event{Kind: builder.EventStep, Text: "pushing " + image})
	d, err := client.Push(ctx, image, engineProgress(on))
	if err != nil {
		if _, missing := client.Image(ctx, image); errors.Is(missing, engine.ErrNotFound) {
			return "", notBuilt(image)
		}
	}
	return d, err
}

// inEngine makes sure that the engine has the image. The local platform, which
// runs containers of the same engine, then has it too.
func (p *pusher) inEngine(ctx context.Context, client *engine.Client, image string) (string, error) {
	img, err := client.Image(ctx, image)
	if errors.Is(err, engine.ErrNotFound) {
		return "", notBuilt(image)
	}
	return img.ID, err
}

// engineProgress tells a push by the container engine as our events.
func engineProgress(on func(builder.Event)) func(engine.Event) {
	return func(e engine.Event) {
		switch e.State {
		case engine.StepProgress:
			on(builder.Event{Kind: builder.EventProgress, Done: e.Current, Total: e.Total})
		case engine.StepWarning:
			on(builder.Event{Kind: builder.EventWarning, Text: e.Text})
		default: // layers that come and go are not worth a line
		}
	}
}
