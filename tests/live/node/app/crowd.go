package main

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// By plain HTTP, since the SDK would ask again.
type caller struct{ http.Client }

func newCaller() *caller {
	return &caller{http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}, Timeout: time.Minute}}
}

// The status and, of a refusal, its reason.
func (c *caller) ask(resource string) string {
	query := url.Values{"api-version": {"2019-08-01"}, "resource": {resource}}
	request, err := http.NewRequest(http.MethodGet, os.Getenv("IDENTITY_ENDPOINT")+"?"+query.Encode(), nil)
	if err != nil {
		return err.Error()
	}
	request.Header.Set("X-IDENTITY-HEADER", os.Getenv("IDENTITY_HEADER"))
	answer, err := c.Do(request)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err.Error()
	}
	if answer.StatusCode == http.StatusOK {
		return "granted"
	}
	return strconv.Itoa(answer.StatusCode) + " " + answer.Header.Get("X-Cambist-Reason")
}

// How often each answer was given.
type tally struct {
	mutex sync.Mutex
	of    map[string]int
}

func (t *tally) add(answer string) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.of == nil {
		t.of = map[string]int{}
	}
	t.of[answer]++
}

func crowd(warm, cold int) {
	// Held from now on.
	if answer := newCaller().ask(vault); answer != "granted" {
		say(line{"first": answer})
		return
	}
	var warmly, coldly tally
	var over atomic.Bool
	var open, asking, all sync.WaitGroup
	open.Add(warm)
	for range warm {
		all.Go(func() {
			own := newCaller()
			warmly.add(own.ask(vault))
			open.Done()
			for !over.Load() {
				time.Sleep(500 * time.Millisecond)
				warmly.add(own.ask(vault))
			}
		})
	}
	// All are open before the first of the others asks, and stay so until the last has its answer.
	open.Wait()
	for n := range cold {
		asking.Go(func() { coldly.add(newCaller().ask("api://cold-" + strconv.Itoa(n))) })
	}
	asking.Wait()
	over.Store(true)
	all.Wait()
	say(line{"warm": warmly.of, "cold": coldly.of})
}
