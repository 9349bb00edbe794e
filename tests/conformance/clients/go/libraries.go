// Command client is the conformance client of what Go has beside the Azure SDK, by their recipes:
// client NAME.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	autorest "github.com/Azure/go-autorest/autorest/adal"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/managedidentity"
	"github.com/hashicorp/go-azure-sdk/sdk/auth"
	"github.com/hashicorp/go-azure-sdk/sdk/environments"

	"cambist.dev/examples/recipes/adal"
	"cambist.dev/examples/recipes/msal"
	"cambist.dev/examples/recipes/terraform"
)

func main() {
	switch library := os.Args[1]; library {
	case "msal":
		serve("github.com/AzureAD/microsoft-authentication-library-for-go", only(withMsal))
	case "adal":
		serve("github.com/Azure/go-autorest/autorest/adal", only(withAdal))
	case "terraform":
		if err := os.Setenv("ARM_MSI_ENDPOINT", os.Getenv("IMDS_URL")); err != nil {
			panic(err)
		}
		serve("github.com/hashicorp/go-azure-sdk/sdk", only(withTerraform))
	default:
		panic("no such library: " + library)
	}
}

type asker func(context.Context, request) (answer, error)

func only(token asker) asker {
	return func(ctx context.Context, r request) (answer, error) {
		if r.Credential == "default" {
			return answer{}, unsupported("there is no DefaultAzureCredential")
		}
		return token(ctx, r)
	}
}

func unsupported(why string) error {
	return fmt.Errorf("%s: %w", why, errors.ErrUnsupported)
}

func withMsal(ctx context.Context, r request) (answer, error) {
	var id managedidentity.ID = managedidentity.SystemAssigned()
	switch {
	case r.Identity.ClientID != "":
		id = managedidentity.UserAssignedClientID(r.Identity.ClientID)
	case r.Identity.ObjectID != "":
		id = managedidentity.UserAssignedObjectID(r.Identity.ObjectID)
	case r.Identity.ResourceID != "":
		id = managedidentity.UserAssignedResourceID(r.Identity.ResourceID)
	}
	result, err := msal.Token(ctx, id, r.Resource)
	return answer{Token: result.AccessToken, ExpiresOn: result.ExpiresOn.Unix()}, err
}

// wanted is what the others have from the beginning.
type wanted struct {
	identity
	resource string
}

var tokens kept[wanted, *autorest.ServicePrincipalToken]

func withAdal(ctx context.Context, r request) (answer, error) {
	token, err := tokens.of(wanted{r.Identity, r.Resource}, func() (*autorest.ServicePrincipalToken, error) {
		if r.Identity.ObjectID != "" {
			return nil, unsupported("it takes no object id")
		}
		return adal.Token(r.Resource, &autorest.ManagedIdentityOptions{
			ClientID:           r.Identity.ClientID,
			IdentityResourceID: r.Identity.ResourceID,
		})
	})
	if err != nil {
		return answer{}, err
	}
	if err := token.EnsureFreshWithContext(ctx); err != nil {
		return answer{}, err
	}
	now := token.Token()
	return answer{Token: now.AccessToken, ExpiresOn: now.Expires().Unix()}, nil
}

var authorizers kept[wanted, auth.Authorizer]

func withTerraform(ctx context.Context, r request) (answer, error) {
	authorizer, err := authorizers.of(wanted{r.Identity, r.Resource}, func() (auth.Authorizer, error) {
		if r.Identity.ObjectID != "" || r.Identity.ResourceID != "" {
			return nil, unsupported("it takes a client id alone")
		}
		api := environments.NewApiEndpoint("any", r.Resource, nil).WithResourceIdentifier(r.Resource)
		return terraform.Authorizer(ctx, api, r.Identity.ClientID)
	})
	if err != nil {
		return answer{}, err
	}
	token, err := authorizer.Token(ctx, &http.Request{})
	if err != nil {
		return answer{}, err
	}
	return answer{Token: token.AccessToken, ExpiresOn: token.Expiry.Unix()}, nil
}
