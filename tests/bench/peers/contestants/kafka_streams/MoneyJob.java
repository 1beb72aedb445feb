import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The job in Kafka Streams: one thread, exactly_once_v2, a RocksDB store with its changelog.
 *
 * <p>Set for throughput: the Processor API; the store is cached (64 MiB), so that RocksDB and the changelog see
 * a group once a commit; a commit a second; fetches of up to 4 MiB a partition and 10,000 records a poll;
 * producers that linger and compress. Sums are kept where they are read, so nothing is repartitioned. It takes
 * one argument, JSON as tests/bench/peers/contestants/protocol.py describes it, and writes the same lines.
 */
public final class MoneyJob {
    private static final String STORE = "sums";
    private static final long POLL_MS = 50;
    private static volatile long processed;

    private MoneyJob() { }

    /** Judges a record, and adds its money or forwards it to the quarantine. */
    private static final class Adder extends ContextualProcessor<byte[], byte[], byte[], byte[]> {
        private final Judge judge;
        private KeyValueStore<String, byte[]> sums;

        Adder(Map<String, Schemas.Event> events) {
            judge = new Judge(events);
        }

        @Override
        public void init(ProcessorContext<byte[], byte[]> context) {
            super.init(context);
            sums = context.getStateStore(STORE);
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            String reason = judge.judge(record.value(), record.timestamp());
            if (reason != null) {
                record.headers().add("reason", reason.getBytes(StandardCharsets.UTF_8));
                context().forward(record);
            } else if (judge.group != null) {
                byte[] before = sums.get(judge.group);
                ByteBuffer after = ByteBuffer.allocate(16);
                after.putLong(before == null ? 1 : ByteBuffer.wrap(before).getLong(0) + 1);
                after.putLong(judge.amount + (before == null ? 0 : ByteBuffer.wrap(before).getLong(8)));
                sums.put(judge.group, after.array());
            }
            processed++;
        }
    }

    /** Runs until it is ended; tells when all records are processed and committed. */
    public static void main(String[] arguments) throws Exception {
        JsonNode task = new ObjectMapper().readTree(arguments[0]);
        CountDownLatch running = new CountDownLatch(1);
        KafkaStreams streams = new KafkaStreams(topology(task), settings(task));
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.RUNNING && running.getCount() > 0) {
                System.out.println("first");
                running.countDown();
            }
        });
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
        running.await();
        long events = task.get("events").asLong();
        while (processed < events) {
            Thread.sleep(POLL_MS);
        }
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", task.get("server").asText()))) {
            while (committed(admin, task.get("name").asText()) < events) {
                Thread.sleep(POLL_MS);
            }
        }
        System.out.println("done");
        Thread.currentThread().join();
    }

    private static Topology topology(JsonNode task) throws Exception {
        Map<String, Schemas.Event> events = Schemas.load(Path.of(task.get("schemas").asText()));
        Topology topology = new Topology();
        topology.addSource("read", new ByteArrayDeserializer(), new ByteArrayDeserializer(), task.get("topic").asText());
        topology.addProcessor("add", () -> new Adder(events), "read");
        topology.addStateStore(
            Stores.keyValueStoreBuilder(
                Stores.persistentKeyValueStore(STORE), Serdes.String(), Serdes.ByteArray()).withCachingEnabled(),
            "add");
        topology.addSink(
            "quarantine", task.get("quarantine").asText(), new ByteArraySerializer(), new ByteArraySerializer(), "add");
        return topology;
    }

    private static Properties settings(JsonNode task) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, task.get("name").asText());
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, task.get("server").asText());
        settings.put(StreamsConfig.STATE_DIR_CONFIG, task.get("folder").asText());
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1_000);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64L << 20);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 10_000);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 4 << 20);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 128 << 10);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 100);
        return settings;
    }

    private static long committed(Admin admin, String group) throws Exception {
        return admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().values().stream()
            .mapToLong(position -> position.offset()).sum();
    }
}
