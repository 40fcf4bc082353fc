import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTask;

/**
 * POSTs batches of records joined by newlines with the JVM's HttpClient, which asks for `Upgrade: h2c`
 * with each request, without a content type unless one is set. A status from 400 up, or no answer, is
 * tried again once, then the task fails.
 */
public class HttpLinesTask extends SinkTask {
  private final HttpClient client =
      HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build();
  private URI url;
  private int batchMax;
  private List<String> headers;

  @Override
  public void start(Map<String, String> settings) {
    url = URI.create(settings.get("http.url"));
    batchMax = Integer.parseInt(settings.getOrDefault("batch.max.size", "500"));
    headers = new ArrayList<>();
    for (String pair : settings.getOrDefault("http.headers.additional", "").split(",")) {
      int colon = pair.indexOf(':');
      if (colon > 0) headers.addAll(List.of(pair.substring(0, colon), pair.substring(colon + 1)));
    }
  }

  @Override
  public void put(Collection<SinkRecord> records) {
    List<String> batch = new ArrayList<>();
    for (SinkRecord record : records) {
      batch.add(String.valueOf(record.value()));
      if (batch.size() == batchMax) send(batch);
    }
    if (!batch.isEmpty()) send(batch);
  }

  private void send(List<String> batch) {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(url)
            .timeout(Duration.ofSeconds(30))
            .POST(HttpRequest.BodyPublishers.ofString(String.join("\n", batch)));
    if (!headers.isEmpty()) request.headers(headers.toArray(String[]::new));
    batch.clear();
    String fault = attempt(request.build());
    if (fault != null) fault = pauseAndAttempt(request.build());
    if (fault != null) throw new ConnectException(fault);
  }

  private String pauseAndAttempt(HttpRequest request) {
    try {
      Thread.sleep(1000);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      return "interrupted";
    }
    return attempt(request);
  }

  private String attempt(HttpRequest request) {
    try {
      HttpResponse<String> answer = client.send(request, HttpResponse.BodyHandlers.ofString());
      return answer.statusCode() < 400 ? null : answer.statusCode() + " " + answer.body();
    } catch (Exception error) {
      return error.toString();
    }
  }

  @Override
  public void stop() {}

  @Override
  public String version() {
    return "1";
  }
}
