import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * Judges records by docs/contract.md section 1, but for the rule that common readers must agree on a record.
 * One pass of Jackson's streaming parser; what was read lies in fields until the next record.
 */
final class Judge {
    private static final int MAX_BYTES = 65_536;
    private static final long AHEAD_MS = 300_000;

    private final JsonFactory factory = new JsonFactory();
    private final Map<String, Schemas.Event> events;
    private final Members envelope = new Members();
    private final Members payload = new Members();
    private boolean hasPayload;

    /** The money of the last record that was good: its group, or null, and its amount. */
    String group;
    long amount;

    Judge(Map<String, Schemas.Event> events) {
        this.events = events;
    }

    /** Why a record is bad, or null. */
    String judge(byte[] value, long timestampMs) {
        group = null;
        if (value == null || value.length == 0) {
            return "empty";
        }
        if (value.length > MAX_BYTES) {
            return "too_large";
        }
        if (value[0] == 0) {
            return "avro_undecodable";
        }
        try {
            if (!isAscii(value)) {
                StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(value));
            }
            if (!parse(value)) {
                return "not_object";
            }
        } catch (JsonProcessingException | CharacterCodingException error) {
            return "not_json";
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
        return check(timestampMs);
    }

    private String check(long timestampMs) {
        int at = envelope.find("event");
        Schemas.Event event = at < 0 || envelope.texts[at] == null ? null : events.get(envelope.texts[at]);
        if (event == null) {
            return "unknown_event";
        }
        String wrong = envelope.wrong(event.envelope);
        if (wrong == null && !hasPayload) {
            wrong = "payload";
        }
        if (wrong == null) {
            wrong = payload.wrong(event.payload);
        }
        if (wrong != null) {
            return wrong;
        }
        long occurred = Instants.micros(envelope.texts[envelope.find("occurred_at")]);
        if (timestampMs >= 0 && occurred > (timestampMs + AHEAD_MS) * 1000) {
            return "in_future";
        }
        if (event.hasMoney) {
            int city = envelope.find("city");
            amount = payload.numbers[payload.find("amount_minor")];
            group = envelope.texts[at] + '|' + (city < 0 || envelope.texts[city] == null ? "" : envelope.texts[city])
                + '|' + payload.texts[payload.find("currency")] + '|' + Math.floorDiv(occurred, 60_000_000L);
        }
        return null;
    }

    private boolean parse(byte[] value) throws IOException {
        envelope.clear();
        payload.clear();
        hasPayload = false;
        try (JsonParser parser = factory.createParser(value)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                return false;
            }
            for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
                JsonToken token = parser.nextToken();
                if (token == JsonToken.START_OBJECT && name.equals("payload")) {
                    hasPayload = true;
                    for (String inner = parser.nextFieldName(); inner != null; inner = parser.nextFieldName()) {
                        payload.add(inner, parser.nextToken(), parser);
                    }
                } else {
                    envelope.add(name, token, parser);
                }
            }
            if (parser.currentToken() != JsonToken.END_OBJECT || parser.nextToken() != null) {
                throw new com.fasterxml.jackson.core.JsonParseException(parser, "not one object");
            }
            return true;
        }
    }

    private static boolean isAscii(byte[] value) {
        int bits = 0;
        for (byte one : value) {
            bits |= one;
        }
        return bits >= 0;
    }

    /** The members of an object, in their order. */
    private static final class Members {
        private static final int TEXT = 1;
        private static final int NUMBER = 2;
        private static final int NULL = 3;
        private static final int FRACTION = 4;
        private static final int BOOLEAN = 5;
        private static final int OTHER = 6;
        private static final int MOST = 64;
        final String[] texts = new String[MOST];
        final long[] numbers = new long[MOST];
        private final double[] fractions = new double[MOST];
        private final String[] names = new String[MOST];
        private final int[] kinds = new int[MOST];
        private int size;

        void clear() {
            size = 0;
        }

        void add(String name, JsonToken token, JsonParser parser) throws IOException {
            if (size == MOST) {
                parser.skipChildren();
                return;
            }
            int at = size++;
            names[at] = name;
            texts[at] = null;
            switch (token) {
                case VALUE_STRING -> {
                    kinds[at] = TEXT;
                    texts[at] = parser.getText();
                }
                case VALUE_NUMBER_INT -> {
                    boolean fits = parser.getNumberType() != JsonParser.NumberType.BIG_INTEGER;
                    kinds[at] = fits ? NUMBER : OTHER;
                    numbers[at] = fits ? parser.getLongValue() : 0;
                }
                case VALUE_NUMBER_FLOAT -> {
                    kinds[at] = FRACTION;
                    fractions[at] = parser.getDoubleValue();
                }
                case VALUE_TRUE, VALUE_FALSE -> kinds[at] = BOOLEAN;
                case VALUE_NULL -> kinds[at] = NULL;
                default -> {
                    kinds[at] = OTHER;
                    parser.skipChildren();
                }
            }
        }

        /** Where a member is, -1 if it is not there; Jackson's names are interned, and so are those of rules. */
        int find(String name) {
            for (int at = size - 1; at >= 0; at--) {
                if (names[at] == name) {
                    return at;
                }
            }
            return -1;
        }

        /** The name of the first member that is wrong, or null. */
        String wrong(Schemas.Rule[] rules) {
            for (Schemas.Rule rule : rules) {
                int at = find(rule.name);
                boolean right = switch (at < 0 ? 0 : kinds[at]) {
                    case 0 -> !rule.required;
                    case TEXT -> rule.allows(texts[at]);
                    case NUMBER -> rule.allows(numbers[at]);
                    case FRACTION -> rule.allows(fractions[at]);
                    case BOOLEAN -> rule.kind == Schemas.Kind.BOOLEAN;
                    case NULL -> rule.nullable;
                    default -> false;
                };
                if (!right) {
                    return rule.name;
                }
            }
            return null;
        }
    }
}
