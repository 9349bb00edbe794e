// A real kube-apiserver and etcd, on free ports of 127.0.0.1:
//
//	server etcd DIR
//	server apiserver ETCD DIR FLAG...
//
// and kubectl, which people ask it with:
//
//	server kubectl ARGUMENT...
//
// DIR is the process' own folder, ETCD the URL that the first one prints, and FLAGs are
// kube-apiserver's, but for what concerns ports and etcd. Each prints one line of JSON when it is
// about to serve, and ends by SIGTERM or SIGINT; an API server is ready when its /readyz says so.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/url"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/embed"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/cli"
	basecompatibility "k8s.io/component-base/compatibility"
	logsapi "k8s.io/component-base/logs/api/v1"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(args []string) error {
	if len(args) >= 1 && args[0] == "kubectl" {
		os.Args = args
		kubectlutil.CheckErr(cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()))
		return nil
	}
	ctx := genericapiserver.SetupSignalContext()
	switch {
	case len(args) == 2 && args[0] == "etcd":
		return runEtcd(ctx, args[1])
	case len(args) >= 3 && args[0] == "apiserver":
		return runAPIServer(ctx, args[1], args[2], args[3:])
	}
	return errors.New("usage: server etcd DIR, server apiserver ETCD DIR FLAG, or server kubectl ARGUMENT")
}

func runEtcd(ctx context.Context, dir string) error {
	server, err := startEtcd(ctx, dir)
	if err != nil {
		return err
	}
	defer server.Close()
	if err := say(map[string]any{"etcd": "http://" + server.Clients[0].Addr().String()}); err != nil {
		return err
	}
	select {
	case err := <-server.Err():
		return err
	case <-ctx.Done():
		return nil
	}
}

func runAPIServer(ctx context.Context, etcd, dir string, flags []string) error {
	// Ours, and handed over open: a port that was only looked up could be gone when it is needed.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	opts, err := parse(append(flags, "--etcd-servers="+etcd, "--cert-dir="+filepath.Join(dir, "certs"),
		fmt.Sprintf("--secure-port=%d", port)))
	if err != nil {
		return err
	}
	opts.SecureServing.Listener = listener
	return serve(ctx, opts, map[string]any{"port": port})
}

func say(what map[string]any) error {
	return json.NewEncoder(os.Stdout).Encode(what)
}

func startEtcd(ctx context.Context, dir string) (*embed.Etcd, error) {
	config := embed.NewConfig()
	config.Dir = filepath.Join(dir, "etcd")
	config.LogLevel = "error"
	// Nothing of it has to survive the machine.
	config.UnsafeNoFsync = true
	any := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	config.ListenClientUrls, config.AdvertiseClientUrls = any, any
	config.ListenPeerUrls, config.AdvertisePeerUrls = any, any
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	server, err := embed.StartEtcd(config)
	if err != nil {
		return nil, err
	}
	select {
	case <-server.Server.ReadyNotify():
		return server, nil
	case <-ctx.Done():
		server.Close()
		return nil, errors.New("stopped before it was ready")
	}
}

func parse(flags []string) (*options.ServerRunOptions, error) {
	opts := options.NewServerRunOptions()
	set := pflag.NewFlagSet("kube-apiserver", pflag.ContinueOnError)
	for _, section := range opts.Flags().FlagSets {
		set.AddFlagSet(section)
	}
	if err := set.Parse(flags); err != nil {
		return nil, err
	}
	if set.NArg() > 0 {
		return nil, fmt.Errorf("not a flag: %q", set.Args())
	}
	return opts, nil
}

// What app.NewAPIServerCommand does, which would not let us have the options.
func serve(ctx context.Context, opts *options.ServerRunOptions, said map[string]any) error {
	registry := opts.GenericServerRunOptions.ComponentGlobalsRegistry
	if err := registry.Set(); err != nil {
		return err
	}
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	gate := registry.FeatureGateFor(basecompatibility.DefaultKubeComponent)
	if err := logsapi.ValidateAndApply(opts.Logs, gate); err != nil {
		return err
	}
	completed, err := opts.Complete(ctx)
	if err != nil {
		return err
	}
	if errs := completed.Validate(); len(errs) != 0 {
		return utilerrors.NewAggregate(errs)
	}
	if err := say(said); err != nil {
		return err
	}
	return app.Run(ctx, completed)
}
