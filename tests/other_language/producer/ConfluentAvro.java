import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URL;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Serializer;

/** What Confluent's KafkaAvroSerializer does with its defaults, which no public repository but Confluent's own has. */
public final class ConfluentAvro implements Serializer<GenericRecord> {
    private final ObjectMapper json = new ObjectMapper();
    private final Map<String, Integer> ids = new ConcurrentHashMap<>();
    private String registry;

    @Override
    public void configure(Map<String, ?> settings, boolean isKey) {
        registry = (String) settings.get("schema.registry.url");
    }

    @Override
    public byte[] serialize(String topic, GenericRecord event) {
        try {
            Integer id = ids.computeIfAbsent(topic, name -> register(name + "-value", event.getSchema()));
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            bytes.write(0);
            bytes.write(ByteBuffer.allocate(4).putInt(id).array());
            BinaryEncoder encoder = EncoderFactory.get().directBinaryEncoder(bytes, null);
            new GenericDatumWriter<GenericRecord>(event.getSchema()).write(event, encoder);
            return bytes.toByteArray();
        } catch (java.io.IOException error) {
            throw new SerializationException(error);
        }
    }

    private int register(String subject, Schema schema) {
        try {
            URL place = URI.create(registry + "/subjects/" + subject + "/versions").toURL();
            HttpURLConnection asked = (HttpURLConnection) place.openConnection();
            asked.setRequestMethod("POST");
            asked.setDoOutput(true);
            asked.setRequestProperty("Content-Type", "application/vnd.schemaregistry.v1+json");
            asked.getOutputStream().write(json.writeValueAsBytes(Map.of("schema", schema.toString())));
            if (asked.getResponseCode() != 200) {
                throw new SerializationException(new String(asked.getErrorStream().readAllBytes()));
            }
            return json.readTree(asked.getInputStream()).get("id").asInt();
        } catch (java.io.IOException error) {
            throw new SerializationException(error);
        }
    }
}
