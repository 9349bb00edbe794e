// Command client is the conformance client of the Azure SDK for Go: it uses the SDK just as an app
// would, with no option but the identity.
package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

var credentials kept[which, azcore.TokenCredential]

func main() {
	serve("github.com/Azure/azure-sdk-for-go/sdk/azidentity", token)
}

func token(ctx context.Context, r request) (answer, error) {
	credential, err := credentials.of(r.which, r.construct)
	if err != nil {
		return answer{}, err
	}
	token, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{r.Scope}})
	return answer{Token: token.Token, ExpiresOn: token.ExpiresOn.Unix()}, err
}

func (w which) construct() (azcore.TokenCredential, error) {
	id := w.Identity
	switch {
	case w.Credential == "default" && id == identity{}:
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
