package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path"
	"runtime/debug"
	"strings"
	"sync"
)

// request is what the driver asks, as one line of JSON.
type request struct {
	Op       string
	Count    int
	Resource string
	Scope    string
	which
}

// which names a credential. Its zero identity is the one that JSON's null stands for.
type which struct {
	Credential string
	Identity   identity
}

type identity struct {
	ClientID   string `json:"client_id"`
	ObjectID   string `json:"object_id"`
	ResourceID string `json:"resource_id"`
}

// answer has the field that applies, and no other.
type answer struct {
	Token       string   `json:"token,omitempty"`
	ExpiresOn   int64    `json:"expires_on,omitempty"`
	Error       string   `json:"error,omitempty"`
	Unsupported string   `json:"unsupported,omitempty"`
	Results     []answer `json:"results,omitempty"`
}

// serve says which module this is, and answers until there are no more requests. token answers one.
func serve(module string, token func(context.Context, request) (answer, error)) {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	send := func(message any) {
		if err := out.Encode(message); err != nil {
			log.Fatal(err)
		}
	}
	send(map[string]string{"sdk": version(module)})
	for {
		var r request
		switch err := in.Decode(&r); {
		case err == io.EOF:
			return
		case err != nil:
			log.Fatal(err)
		}
		send(r.answer(token))
	}
}

// version is the one that was built in.
func version(module string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == module {
				return path.Base(module) + " " + strings.TrimPrefix(dep.Version, "v")
			}
		}
	}
	return path.Base(module)
}

func (r request) answer(token func(context.Context, request) (answer, error)) answer {
	ask := func() answer {
		got, err := token(context.Background(), r)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			return answer{Unsupported: err.Error()}
		case err != nil:
			return answer{Error: err.Error()}
		}
		return got
	}
	switch r.Op {
	case "token":
		return ask()
	case "crowd":
		results := make([]answer, r.Count)
		var all sync.WaitGroup
		for i := range results {
			all.Go(func() { results[i] = ask() })
		}
		all.Wait()
		return answer{Results: results}
	default:
		return answer{Error: fmt.Sprintf("no such operation: %q", r.Op)}
	}
}

// kept makes something once for each key, because its own cache is part of what is under test.
type kept[K comparable, V any] struct {
	sync.Mutex
	known map[K]V
}

func (k *kept[K, V]) of(key K, construct func() (V, error)) (V, error) {
	k.Lock()
	defer k.Unlock()
	if known, ok := k.known[key]; ok {
		return known, nil
	}
	made, err := construct()
	if err != nil {
		return made, err
	}
	if k.known == nil {
		k.known = map[K]V{}
	}
	k.known[key] = made
	return made, nil
}
