// Package terraform is what Terraform's providers for Azure take their tokens with. They are told by
//
//	ARM_USE_MSI=true
//	ARM_MSI_ENDPOINT=http://127.0.0.1:8421/metadata/identity/oauth2/token
//
// and the sidecar needs imds among its CAMBIST_PROTOCOLS.
package terraform

import (
	"context"
	"os"

	"github.com/hashicorp/go-azure-sdk/sdk/auth"
	"github.com/hashicorp/go-azure-sdk/sdk/environments"
)

// Authorizer is to be kept. ARM_CLIENT_ID names one of several identities.
func Authorizer(ctx context.Context, api environments.Api, clientID string) (auth.Authorizer, error) {
	return auth.NewManagedIdentityAuthorizer(ctx, auth.ManagedIdentityAuthorizerOptions{
		Api:                           api,
		ClientId:                      clientID,
		CustomManagedIdentityEndpoint: os.Getenv("ARM_MSI_ENDPOINT"),
	})
}
