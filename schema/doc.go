// Package schema holds the types that travel: bodies of the gateway's REST
// API, the stack file, template.yml and the manifests of the two stores. They
// carry tags and documentation but no behaviour.
package schema
