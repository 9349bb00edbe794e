import com.azure.core.credential.AccessToken;
import com.azure.core.credential.TokenCredential;
import com.azure.core.credential.TokenRequestContext;
import com.azure.core.util.CoreUtils;
import com.azure.identity.DefaultAzureCredentialBuilder;
import com.azure.identity.ManagedIdentityCredentialBuilder;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The conformance driver's client for Java: azure-identity used as an app would use it. */
final class AzureIdentity {
    private static final Map<String, TokenCredential> CREDENTIALS = new ConcurrentHashMap<>();

    public static void main(String[] args) throws Exception {
        String version = CoreUtils.getProperties("azure-identity.properties").get("version");
        Wire.serve("azure-identity " + version, AzureIdentity::token);
    }

    private static Map<String, ?> token(Map<String, Object> request) {
        String key = request.get("credential") + " " + request.get("identity");
        TokenCredential credential = CREDENTIALS.computeIfAbsent(key, k -> make(request));
        TokenRequestContext context = new TokenRequestContext().addScopes((String) request.get("scope"));
        AccessToken token = credential.getTokenSync(context);
        return Map.of("token", token.getToken(), "expires_on", token.getExpiresAt().toEpochSecond());
    }

    private static TokenCredential make(Map<String, Object> request) {
        Map<String, Object> identity = Wire.identity(request);
        String clientId = (String) identity.get("client_id");
        String objectId = (String) identity.get("object_id");
        String resourceId = (String) identity.get("resource_id");
        if (!request.get("credential").equals("default")) {
            return new ManagedIdentityCredentialBuilder()
                .clientId(clientId).objectId(objectId).resourceId(resourceId).build();
        }
        if (objectId != null) {
            throw new UnsupportedOperationException("DefaultAzureCredential takes no object id");
        }
        return new DefaultAzureCredentialBuilder()
            .managedIdentityClientId(clientId).managedIdentityResourceId(resourceId).build();
    }
}
