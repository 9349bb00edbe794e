// Command client is the conformance client of the Azure SDK for Go. It reads requests as JSON
// lines, answers each with one JSON line, and uses the SDK just as an app would: with no option but
// the identity.
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

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

type request struct {
	Op    string
	Count int
	Scope string
	which
}

// which names a credential. Its zero identity is the one that JSON's null stands for.
type which struct {
	Credential string
	Identity   struct {
		ClientID   string `json:"client_id"`
		ObjectID   string `json:"object_id"`
		ResourceID string `json:"resource_id"`
	}
}

// answer has the field that applies, and no other.
type answer struct {
	Token       string   `json:"token,omitempty"`
	ExpiresOn   int64    `json:"expires_on,omitempty"`
	Error       string   `json:"error,omitempty"`
	Unsupported string   `json:"unsupported,omitempty"`
	Results     []answer `json:"results,omitempty"`
}

// credentials are kept, because the SDK's own cache is part of what is under test.
var credentials = map[which]azcore.TokenCredential{}

func main() {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	send := func(message any) {
		if err := out.Encode(message); err != nil {
			log.Fatal(err)
		}
	}
	send(map[string]string{"sdk": sdk()})
	for {
		var r request
		switch err := in.Decode(&r); {
		case err == io.EOF:
			return
		case err != nil:
			log.Fatal(err)
		}
		send(r.answer(context.Background()))
	}
}

// sdk reads the version that was built in.
func sdk() string {
	const module = "github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == module {
				return path.Base(module) + " " + strings.TrimPrefix(dep.Version, "v")
			}
		}
	}
	return path.Base(module)
}

func (r request) answer(ctx context.Context) answer {
	credential, err := r.credential()
	ask := func() answer {
		if err != nil {
			return failure(err)
		}
		token, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{r.Scope}})
		if err != nil {
			return failure(err)
		}
		return answer{Token: token.Token, ExpiresOn: token.ExpiresOn.Unix()}
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
		return failure(fmt.Errorf("operation %q: %w", r.Op, errors.ErrUnsupported))
	}
}

func failure(err error) answer {
	if errors.Is(err, errors.ErrUnsupported) {
		return answer{Unsupported: err.Error()}
	}
	return answer{Error: err.Error()}
}

func (w which) credential() (azcore.TokenCredential, error) {
	if known, ok := credentials[w]; ok {
		return known, nil
	}
	credential, err := w.construct()
	if err == nil {
		credentials[w] = credential
	}
	return credential, err
}

func (w which) construct() (azcore.TokenCredential, error) {
	id := w.Identity
	switch {
	case w.Credential == "default" && id == which{}.Identity:
		return azidentity.NewDefaultAzureCredential(nil)
	case w.Credential == "default":
		return nil, fmt.Errorf("DefaultAzureCredential takes an identity from AZURE_CLIENT_ID alone: %w", errors.ErrUnsupported)
	case w.Credential != "managed-identity":
		return nil, fmt.Errorf("no such credential: %q", w.Credential)
	}
	var options azidentity.ManagedIdentityCredentialOptions
	switch {
	case id.ClientID != "":
		options.ID = azidentity.ClientID(id.ClientID)
	case id.ObjectID != "":
		options.ID = azidentity.ObjectID(id.ObjectID)
	case id.ResourceID != "":
		options.ID = azidentity.ResourceID(id.ResourceID)
	}
	return azidentity.NewManagedIdentityCredential(&options)
}
