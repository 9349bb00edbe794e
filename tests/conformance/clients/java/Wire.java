import com.azure.json.JsonProviders;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** How the driver talks with a client: one JSON request a line on standard input, one answer a line on standard output. */
final class Wire {
    /** Answers one request; UnsupportedOperationException says that the SDK has no such thing. */
    interface Asker {
        Map<String, ?> token(Map<String, Object> request) throws Exception;
    }

    private Wire() {}

    /** Says which SDK this is, and answers until there are no more requests. */
    static void serve(String sdk, Asker asker) throws Exception {
        tell(Map.of("sdk", sdk));
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = in.readLine()) != null; ) {
            Map<String, Object> request = object(JsonProviders.createReader(line).readUntyped());
            tell(switch ((String) request.get("op")) {
                case "token" -> one(asker, request);
                case "crowd" -> crowd(((Number) request.get("count")).intValue(), asker, request);
                default -> Map.of("error", "no such op: " + request);
            });
        }
    }

    /** The one selector of an identity that a request has, or none. */
    static Map<String, Object> identity(Map<String, Object> request) {
        return object(request.get("identity"));
    }

    private static Map<String, ?> one(Asker asker, Map<String, Object> request) {
        try {
            return asker.token(request);
        } catch (UnsupportedOperationException e) {
            return Map.of("unsupported", e.getMessage());
        } catch (Exception e) {
            return failure(e);
        }
    }

    /** All that a developer can see: what a stack trace tells, without its frames. */
    private static Map<String, ?> failure(Exception failure) {
        return Map.of("error", Stream.iterate((Throwable) failure, e -> e != null, Throwable::getCause)
            .map(Throwable::toString)
            .collect(Collectors.joining("\nCaused by: ")));
    }

    /** One thread for each call, and all of them let go at the same moment. */
    private static Map<String, ?> crowd(int count, Asker asker, Map<String, Object> request) throws Exception {
        CyclicBarrier start = new CyclicBarrier(count);
        Callable<Map<String, ?>> call = () -> {
            start.await();
            return one(asker, request);
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
