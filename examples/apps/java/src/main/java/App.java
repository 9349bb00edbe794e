import com.azure.core.credential.TokenCredential;
import com.azure.identity.ManagedIdentityCredentialBuilder;
import com.azure.security.keyvault.secrets.SecretClient;
import com.azure.security.keyvault.secrets.SecretClientBuilder;
import com.azure.security.keyvault.secrets.models.KeyVaultSecret;

/**
 * An app that reads a secret from Key Vault, with Microsoft's own libraries and nothing else.
 *
 * <p>It does not know cambist. ManagedIdentityCredential asks for its tokens where IDENTITY_ENDPOINT
 * says, with IDENTITY_HEADER as proof; on Azure that is App Service, here it is the sidecar. The app
 * holds no secret of Azure's, and must not be given AZURE_FEDERATED_TOKEN_FILE.
 */
public final class App {
    public static void main(String[] args) {
        try {
            run(System.getenv("KEY_VAULT_URL"), System.getenv().getOrDefault("SECRET_NAME", "greeting"));
        } catch (RuntimeException e) {
            // With the causes: the outermost message says no more than "see inner exception".
            for (Throwable cause = e; cause != null; cause = cause.getCause()) {
                System.err.println(cause.getMessage());
            }
            System.exit(1);
        }
    }

    private static void run(String vault, String name) {
        if (vault == null) {
            throw new IllegalStateException("KEY_VAULT_URL is to be the vault's URL");
        }

        // One credential for the whole app: it keeps its tokens, and every Azure client takes it.
        TokenCredential credential = new ManagedIdentityCredentialBuilder().build();
        SecretClient client = new SecretClientBuilder().vaultUrl(vault).credential(credential).buildClient();

        KeyVaultSecret secret = client.getSecret(name);
        System.out.printf("read the secret %s from %s: %d characters%n", name, vault, secret.getValue().length());
    }
}
