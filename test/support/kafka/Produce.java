import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Writes `count` JSON records to a topic: address, topic, count. */
public class Produce {
  public static void main(String[] args) throws Exception {
    Map<String, Object> settings = Map.of("bootstrap.servers", args[0], "acks", "all");
    StringSerializer text = new StringSerializer();
    try (var producer = new KafkaProducer<>(settings, text, text)) {
      for (int i = 0; i < Integer.parseInt(args[2]); i++) {
        String value = String.format("{\"event\":{\"id\":\"e-%d\"},\"n\":%d}", i, i);
        producer.send(new ProducerRecord<>(args[1], "k" + i % 100, value));
      }
    }
  }
}
