import com.azure.core.credential.AccessToken;
import com.azure.core.credential.TokenCredential;
import com.azure.core.credential.TokenRequestContext;
import com.azure.core.util.CoreUtils;
import com.azure.identity.DefaultAzureCredentialBuilder;
import com.azure.identity.ManagedIdentityCredentialBuilder;
import com.azure.json.JsonProviders;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The conformance driver's client for Java: azure-identity used as an app would use it. One JSON
 * request a line on standard input, one answer a line on standard output.
 */
final class Client {
    private final Map<String, TokenCredential> credentials = new HashMap<>();

    public static void main(String[] args) throws Exception {
        String version = CoreUtils.getProperties("azure-identity.properties").get("version");
        tell(Map.of("sdk", "azure-identity " + version));
        Client client = new Client();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = in.readLine()) != null; ) {
            tell(client.answer(object(JsonProviders.createReader(line).readUntyped())));
        }
    }

    private Map<String, ?> answer(Map<String, Object> request) throws Exception {
        TokenCredential credential;
        try {
            String key = request.get("credential") + " " + request.get("identity");
            credential = credentials.computeIfAbsent(key, k -> make(request));
        } catch (UnsupportedOperationException e) {
            return Map.of("unsupported", e.getMessage());
        } catch (RuntimeException e) {
            return failure(e);
        }
        TokenRequestContext context = new TokenRequestContext().addScopes((String) request.get("scope"));
        return switch ((String) request.get("op")) {
            case "token" -> token(credential, context);
            case "crowd" -> crowd(((Number) request.get("count")).intValue(), credential, context);
            default -> Map.of("error", "no such op: " + request);
        };
    }

    private static Map<String, ?> token(TokenCredential credential, TokenRequestContext context) {
        try {
            AccessToken token = credential.getTokenSync(context);
            return Map.of("token", token.getToken(), "expires_on", token.getExpiresAt().toEpochSecond());
        } catch (RuntimeException e) {
            return failure(e);
        }
    }

    /** All that a developer can see: what a stack trace tells, without its frames. */
    private static Map<String, ?> failure(RuntimeException failure) {
        return Map.of("error", Stream.iterate((Throwable) failure, e -> e != null, Throwable::getCause)
            .map(Throwable::toString)
            .collect(Collectors.joining("\nCaused by: ")));
    }

    /** One thread for each call, and all of them let go at the same moment. */
    private static Map<String, ?> crowd(int count, TokenCredential credential, TokenRequestContext context)
        throws Exception {
        CyclicBarrier start = new CyclicBarrier(count);
        Callable<Map<String, ?>> call = () -> {
            start.await();
            return token(credential, context);
        };
        ExecutorService threads = Executors.newFixedThreadPool(count);
        try {
            List<Map<String, ?>> results = new ArrayList<>();
            for (Future<Map<String, ?>> result : threads.invokeAll(Collections.nCopies(count, call))) {
                results.add(result.get());
            }
            return Map.of("results", results);
        } finally {
            threads.shutdown();
        }
    }

    private static TokenCredential make(Map<String, Object> request) {
        Map<String, Object> identity = object(request.get("identity"));
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

    @SuppressWarnings("unchecked")
    private static Map<String, Object> object(Object value) {
        return value == null ? Map.of() : (Map<String, Object>) value;
    }

    private static void tell(Map<String, ?> answer) throws IOException {
        StringWriter line = new StringWriter();
        try (var json = JsonProviders.createWriter(line)) {
            json.writeUntyped(answer);
        }
        System.out.println(line);
        System.out.flush();
    }
}
