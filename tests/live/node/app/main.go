// Command app is what runs in the pods beside the sidecar, with the Azure SDK as apps use it, and all
// else that the cases need of an image without a shell. It prints a line of JSON for each thing done.
//
//	app tokens RESOURCE...     a token for each, one after the other; ends with 1 if one is refused
//	app ask [RESOURCE]         a token a second until SIGTERM, and three more then; a % in RESOURCE is
//	                           the number of the turn, so that each is for another resource
//	app crowd WARM COLD        WARM connections that go on asking for one token, and beside them COLD
//	                           callers at once, each for another one
//	app look PATH...           what is there
//	app usage N PROGRAM ARG... what N runs of a program take of the processor, in the middle
//	app pause                  until SIGTERM: what holds a pod's namespaces
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

const vault = "https://vault.azure.net"

type line map[string]any

func say(what line) {
	// A line is text and numbers, which can always be written.
	text, _ := json.Marshal(what)
	fmt.Println(string(text))
}

func main() {
	if len(os.Args) < 2 {
		os.Exit(2)
	}
	ended, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	args := os.Args[2:]
	switch os.Args[1] {
	case "tokens":
		os.Exit(tokens(args))
	case "ask":
		ask(ended, append(args, vault)[0])
	case "crowd":
		crowd(number(args, 0), number(args, 1))
		// Whoever reads what the sidecar took finds it running.
		<-ended.Done()
	case "look":
		look(args)
	case "usage":
		os.Exit(usage(number(args, 0), args[1:]))
	case "pause":
		<-ended.Done()
	default:
		os.Exit(2)
	}
}

func number(args []string, at int) int {
	if at < len(args) {
		if n, err := strconv.Atoi(args[at]); err == nil {
			return n
		}
	}
	fmt.Fprintln(os.Stderr, "a number is missing")
	os.Exit(2)
	return 0
}

// With a credential of its own, so that the SDK's cache answers nothing.
func token(resource string) error {
	credential, err := azidentity.NewManagedIdentityCredential(nil)
	if err != nil {
		return err
	}
	// As long as an app might wait; the SDK's own retries are within.
	limited, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err = credential.GetToken(limited, policy.TokenRequestOptions{Scopes: []string{resource + "/.default"}})
	return err
}

// Asks once, and tells.
func told(turn int, more line, resource string) bool {
	err := token(resource)
	more["turn"] = turn
	if err != nil {
		more["error"] = err.Error()
	}
	say(more)
	return err == nil
}

func tokens(resources []string) int {
	status := 0
	for turn, resource := range resources {
		if !told(turn, line{}, resource) {
			status = 1
		}
	}
	return status
}

func ask(ended context.Context, resource string) {
	turn := 0
	once := func(more line) {
		told(turn, more, strings.ReplaceAll(resource, "%", strconv.Itoa(turn)))
		turn++
	}
	for ended.Err() == nil {
		once(line{})
		select {
		case <-ended.Done():
		case <-time.After(time.Second):
		}
	}
	for range 3 {
		once(line{"ending": true})
		time.Sleep(500 * time.Millisecond)
	}
	say(line{"ends": true})
}

func look(paths []string) {
	for _, path := range paths {
		if info, err := os.Stat(path); err != nil {
			say(line{"path": path, "error": err.Error()})
		} else {
			say(line{"path": path, "mode": info.Mode().String()})
		}
	}
}

func usage(n int, command []string) int {
	if n < 1 || len(command) == 0 {
		return 2
	}
	var took []time.Duration
	for range n {
		run := exec.Command(command[0], command[1:]...)
		if text, err := run.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v: %v: %s\n", command, err, text)
			return 1
		}
		took = append(took, run.ProcessState.UserTime()+run.ProcessState.SystemTime())
	}
	slices.Sort(took)
	say(line{"runs": n, "median_us": took[n/2].Microseconds(), "most_us": took[n-1].Microseconds()})
	return 0
}
