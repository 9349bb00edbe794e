// Package adal is go-autorest's adal, which older Go programs bring: it knows App Service as it was in 2017.
//
//	MSI_ENDPOINT=http://127.0.0.1:8421/msi/token
//	MSI_SECRET=the sidecar's IDENTITY_HEADER
package adal

import "github.com/Azure/go-autorest/autorest/adal"

// Token is to be kept; EnsureFresh renews it where need be. For one of several identities: ClientID.
func Token(resource string, identity *adal.ManagedIdentityOptions) (*adal.ServicePrincipalToken, error) {
	return adal.NewServicePrincipalTokenFromManagedIdentity(resource, identity)
}
