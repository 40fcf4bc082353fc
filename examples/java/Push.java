import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Pushes a record with nothing but the JDK, 17 or newer.
 *
 * <pre>set -a; . .tributary/demo.env; set +a; java examples/java/Push.java</pre>
 */
public class Push {
  public static void main(String[] args) throws Exception {
    String base = System.getenv("TRIBUTARY_URL");
    HttpClient client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build();

    String credentials = encode(System.getenv("CLIENT_ID")) + ":" + encode(System.getenv("CLIENT_SECRET"));
    String answer = post(client, base + "/oauth2/token", "application/x-www-form-urlencoded",
        "Basic " + Base64.getEncoder().encodeToString(credentials.getBytes(StandardCharsets.UTF_8)),
        "grant_type=client_credentials");
    Matcher token = Pattern.compile("\"access_token\"\\s*:\\s*\"([^\"]+)\"").matcher(answer);
    if (!token.find()) {
      throw new IllegalStateException("no token in " + answer);
    }

    System.out.println(post(client, base + "/v1/" + System.getenv("STREAM") + "/records",
        "application/json", "Bearer " + token.group(1),
        """
        [{"value": {"sensor_id": "java", "temperature": 4.132, "created_at": "2026-01-01T00:00:00Z"}}]
        """));
  }

  private static String post(HttpClient client, String url, String type, String authorization, String body)
      throws Exception {
    HttpRequest request = HttpRequest.newBuilder(URI.create(url))
        .timeout(Duration.ofSeconds(10))
        .header("Content-Type", type)
        .header("Authorization", authorization)
        .POST(HttpRequest.BodyPublishers.ofString(body))
        .build();
    HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
    if (response.statusCode() != 200) {
      throw new IllegalStateException(response.statusCode() + " " + response.body());
    }
    return response.body();
  }

  private static String encode(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8);
  }
}
