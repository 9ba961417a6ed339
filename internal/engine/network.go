package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/network"
)

// A Network is a bridge that containers share.
type Network struct {
	ID, Name string
	Labels   map[string]string
	Subnet   netip.Prefix
	// Gateway is the engine machine's own address in the network, as containers see it.
	Gateway    netip.Addr
	Containers []string // IDs of those running in it
}

// CreateNetwork makes a bridge network. The zero subnet leaves the addresses to the engine; one that another network has
// is an error. A name that is taken is [ErrConflict].
func (c *Client) CreateNetwork(ctx context.Context, name string, subnet netip.Prefix, labels map[string]string) (Network, error) {
	op := fmt.Sprintf("create network %q", name)
	o := network.CreateOptions{Driver: "bridge", Labels: labels}
	if subnet.IsValid() {
		o.IPAM = &network.IPAM{Driver: "default", Config: []network.IPAMConfig{{Subnet: subnet.String()}}}
	}
	r, err := c.api.NetworkCreate(ctx, name, o)
	if err != nil {
		return Network{}, c.fail(ctx, op, err)
	}
	return c.Network(ctx, r.ID)
}

// Network describes a network by name or ID. Without one the error is [ErrNotFound].
func (c *Client) Network(ctx context.Context, id string) (Network, error) {
	r, err := c.api.NetworkInspect(ctx, id, network.InspectOptions{})
	if err != nil {
		return Network{}, c.fail(ctx, fmt.Sprintf("network %q", id), err)
	}
	n := Network{ID: r.ID, Name: r.Name, Labels: r.Labels}
	for _, cfg := range r.IPAM.Config {
		prefix, err := netip.ParsePrefix(cfg.Subnet)
		if err != nil || !prefix.Addr().Is4() {
			continue
		}
		n.Subnet = prefix
		n.Gateway = prefix.Masked().Addr().Next() // the engine's choice where it names none
		if gw, err := netip.ParseAddr(cfg.Gateway); err == nil {
			n.Gateway = gw
		}
	}
	for id := range r.Containers {
		n.Containers = append(n.Containers, id)
	}
	return n, nil
}

// NetworksLabelled lists networks with all of the labels, each "key" or "key=value".
func (c *Client) NetworksLabelled(ctx context.Context, labels ...string) ([]Network, error) {
	list, err := c.api.NetworkList(ctx, network.ListOptions{Filters: labelFilter(labels)})
	if err != nil {
		return nil, c.fail(ctx, "list networks", err)
	}
	out := make([]Network, len(list))
	for i, n := range list {
		out[i] = Network{ID: n.ID, Name: n.Name, Labels: n.Labels}
	}
	return out, nil
}

// RemoveNetwork removes a network without containers. One that is gone already is no error.
func (c *Client) RemoveNetwork(ctx context.Context, id string) error {
	err := c.fail(ctx, fmt.Sprintf("remove network %q", id), c.api.NetworkRemove(ctx, id))
	if isGone(err) {
		return nil
	}
	return err
}

func isGone(err error) bool { return errors.Is(err, ErrNotFound) }

// A ContainerEvent tells of a change in a container's life.
type ContainerEvent struct {
	ID     string
	Action string // "start", "die", "destroy", "health_status: healthy", …
	Labels map[string]string
}

// WatchContainers calls fn for every event of the containers with all of the labels, until ctx ends
// (nil) or the engine goes away. ready is called once the engine listens: what happens from then on
// is not missed.
func (c *Client) WatchContainers(ctx context.Context, ready func(), fn func(ContainerEvent), labels ...string) error {
	f := labelFilter(labels)
	f.Add("type", string(events.ContainerEventType))
	msgs, errs := c.api.Events(ctx, events.ListOptions{Filters: f})
	ready()
	for {
		select {
		case m := <-msgs:
			fn(ContainerEvent{ID: m.Actor.ID, Action: string(m.Action), Labels: m.Actor.Attributes})
		case err := <-errs:
			if ctx.Err() != nil {
				return nil
			}
			return c.fail(ctx, "watch containers", err)
		}
	}
}
