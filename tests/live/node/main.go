// What makes a machine a node, and a node's pods a cluster's, of the same modules as the API server:
//
//	node kubelet FLAG...
//	node kube-controller-manager FLAG...
//
// The flags are those of the programs of these names.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/version"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	if len(os.Args) < 2 {
		os.Exit(usage())
	}
	name := os.Args[1]
	os.Args = append([]string{filepath.Join(filepath.Dir(os.Args[0]), name)}, os.Args[2:]...)
	switch name {
	case "kubelet":
		os.Exit(cli.Run(kubelet.NewKubeletCommand(context.Background())))
	case "kube-controller-manager":
		os.Exit(cli.Run(manager.NewControllerManagerCommand()))
	}
	os.Exit(usage())
}

func usage() int {
	fmt.Fprintln(os.Stderr, "usage: node kubelet FLAG..., or node kube-controller-manager FLAG...")
	return 2
}
