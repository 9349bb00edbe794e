import com.microsoft.aad.msal4j.IAuthenticationResult;
import com.microsoft.aad.msal4j.ManagedIdentityApplication;
import com.microsoft.aad.msal4j.ManagedIdentityId;
import com.microsoft.aad.msal4j.ManagedIdentityParameters;

/** MSAL for Java: IDENTITY_ENDPOINT and IDENTITY_HEADER lead it to cambist. */
final class Msal {
    /** Keep it. For one of several identities: ManagedIdentityId.userAssignedClientId("..."). */
    static ManagedIdentityApplication application(ManagedIdentityId identity) {
        return ManagedIdentityApplication.builder(identity).build();
    }

    static IAuthenticationResult token(ManagedIdentityApplication application, String resource) throws Exception {
        return application.acquireTokenForManagedIdentity(ManagedIdentityParameters.builder(resource).build()).get();
    }

    public static void main(String[] args) throws Exception {
        ManagedIdentityApplication one = application(ManagedIdentityId.systemAssigned());
        System.out.println(token(one, "https://vault.azure.net").expiresOnDate());
    }
}
