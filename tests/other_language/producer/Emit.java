import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

/** Emit BOOTSTRAP REGISTRY TOPIC COUNT SERIALIZER: sends so many sales of seven shops, the first ten of them twice, and
 * prints each shop with its partition. */
public final class Emit {
    private static final Schema SALE = new Schema.Parser().parse("""
        {"type": "record", "name": "Sale", "fields": [
            {"name": "shop", "type": "string"},
            {"name": "amount", "type": "long"},
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "receipt", "type": ["null", "string"], "default": null}
        ]}""");

    public static void main(String[] arguments) throws Exception {
        String topic = arguments[2];
        int count = Integer.parseInt(arguments[3]);
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("schema.registry.url", arguments[1]);
        settings.put("key.serializer", StringSerializer.class.getName());
        settings.put("value.serializer", arguments[4]);
        settings.put("linger.ms", "5");
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<String, Object> producer = new KafkaProducer<>(settings)) {
            for (int number = 0; number < count + 10; number++) {
                GenericRecord sale = sale(number % count);
                sent.add(producer.send(new ProducerRecord<>(topic, sale.get("shop").toString(), sale)));
            }
        }
        for (int number = 0; number < 7; number++) {
            System.out.println("s" + number + " " + sent.get(number).get().partition());
        }
    }

    private static GenericRecord sale(int number) {
        GenericRecord sale = new GenericData.Record(SALE);
        sale.put("shop", "s" + number % 7);
        sale.put("amount", (long) number);
        sale.put("at", 1_790_000_000_000L + number);
        sale.put("receipt", "r" + number);
        return sale;
    }
}
