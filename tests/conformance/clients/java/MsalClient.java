import com.microsoft.aad.msal4j.IAuthenticationResult;
import com.microsoft.aad.msal4j.ManagedIdentityApplication;
import com.microsoft.aad.msal4j.ManagedIdentityId;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The conformance driver's client for MSAL for Java, by its recipe. */
final class MsalClient {
    private static final Map<Map<String, Object>, ManagedIdentityApplication> APPLICATIONS = new ConcurrentHashMap<>();

    public static void main(String[] args) throws Exception {
        // Its manifest has no version, but its file is named after it.
        var jar = ManagedIdentityApplication.class.getProtectionDomain().getCodeSource().getLocation();
        String name = Path.of(jar.toURI()).getFileName().toString();
        Wire.serve(name.replace(".jar", "").replace("4j-", "4j "), MsalClient::token);
    }

    private static Map<String, ?> token(Map<String, Object> request) throws Exception {
        if (request.get("credential").equals("default")) {
            throw new UnsupportedOperationException("there is no DefaultAzureCredential");
        }
        ManagedIdentityApplication application =
            APPLICATIONS.computeIfAbsent(Wire.identity(request), id -> Msal.application(named(id)));
        IAuthenticationResult token = Msal.token(application, (String) request.get("resource"));
        long until = token.expiresOnDate().toInstant().getEpochSecond();
        return Map.of("token", token.accessToken(), "expires_on", until);
    }

    private static ManagedIdentityId named(Map<String, Object> identity) {
        if (identity.get("client_id") instanceof String id) {
            return ManagedIdentityId.userAssignedClientId(id);
        } else if (identity.get("object_id") instanceof String id) {
            return ManagedIdentityId.userAssignedObjectId(id);
        } else if (identity.get("resource_id") instanceof String id) {
            return ManagedIdentityId.userAssignedResourceId(id);
        }
        return ManagedIdentityId.systemAssigned();
    }
}
