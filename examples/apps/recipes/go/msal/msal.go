// Package msal is MSAL for Go: IDENTITY_ENDPOINT and IDENTITY_HEADER lead it to cambist.
package msal

import (
	"context"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/managedidentity"
)

// Token is for the one identity there is with managedidentity.SystemAssigned(), and for one of several with
// managedidentity.UserAssignedClientID("...").
func Token(ctx context.Context, id managedidentity.ID, resource string) (managedidentity.AuthResult, error) {
	client, err := managedidentity.New(id) // its tokens are the whole process's
	if err != nil {
		return managedidentity.AuthResult{}, err
	}
	return client.AcquireToken(ctx, resource)
}
