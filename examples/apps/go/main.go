// Command app reads a secret from Azure Key Vault, and holds no secret to do so.
//
// Nothing here knows of cambist. ManagedIdentityCredential sees IDENTITY_ENDPOINT and
// IDENTITY_HEADER in its environment, as on Azure App Service, and asks that endpoint for tokens.
// Where cambist's sidecar runs beside the app, the endpoint is the sidecar's:
//
//	IDENTITY_ENDPOINT=http://127.0.0.1:8421/msi/token
//	IDENTITY_HEADER=...                                the secret that the sidecar has, too
//	KEY_VAULT_URL=https://VAULT.vault.azure.net
//	SECRET_NAME=greeting                               may be left out
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

func main() {
	if err := run(context.Background()); err != nil {
		// Where cambist refuses, its reason and what to do about it are in this message.
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	vault := os.Getenv("KEY_VAULT_URL")
	if vault == "" {
		return errors.New("KEY_VAULT_URL is not set")
	}

	// One credential and one client for the life of the app: they cache what they get.
	credential, err := azidentity.NewManagedIdentityCredential(nil)
	if err != nil {
		return err
	}
	client, err := azsecrets.NewClient(vault, credential, nil)
	if err != nil {
		return err
	}

	// The version is left empty: the latest one.
	secret, err := client.GetSecret(ctx, cmp.Or(os.Getenv("SECRET_NAME"), "greeting"), "", nil)
	if err != nil {
		return err
	}
	fmt.Printf("read secret %q in version %s\n", secret.ID.Name(), secret.ID.Version())
	return nil
}
