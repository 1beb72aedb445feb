import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.HashSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** The rules of each event, built from the committed JSON Schemas alone. */
final class Schemas {
    enum Kind { TEXT, INTEGER, NUMBER, BOOLEAN, INSTANT }

    /** What a member must be; texts that repeat, of a pattern, are remembered. */
    static final class Rule {
        private static final int REMEMBERED = 10_000;
        final String name;
        final boolean required;
        final boolean nullable;
        final Kind kind;
        private final int minLength;
        private final int maxLength;
        private final long minimum;
        private final long maximum;
        private final double least;
        private final double most;
        private final Pattern pattern;
        private final Set<String> choices;
        private final Set<String> known;

        Rule(String name, JsonNode schema, boolean required) {
            JsonNode of = schema;
            boolean canBeNull = false;
            for (JsonNode option : schema.path("anyOf")) {
                if (option.path("type").asText().equals("null")) {
                    canBeNull = true;
                } else {
                    of = option;
                }
            }
            this.name = name.intern();
            this.required = required;
            this.nullable = canBeNull;
            this.kind = kindOf(of);
            this.minLength = of.path("minLength").asInt(0);
            this.maxLength = of.path("maxLength").asInt(Integer.MAX_VALUE);
            this.minimum = of.path("minimum").asLong(of.path("const").asLong(Long.MIN_VALUE));
            this.maximum = of.path("maximum").asLong(of.path("const").asLong(Long.MAX_VALUE));
            this.least = of.path("minimum").asDouble(-Double.MAX_VALUE);
            this.most = of.path("maximum").asDouble(Double.MAX_VALUE);
            this.pattern = of.has("pattern") ? Pattern.compile(of.get("pattern").asText()) : null;
            this.known = of.has("pattern") && !name.equals("event_id") ? new HashSet<>() : null;
            this.choices = new HashSet<>();
            of.path("enum").forEach(choice -> choices.add(choice.asText()));
            if (of.path("const").isTextual()) {
                choices.add(of.get("const").asText());
            }
        }

        private static Kind kindOf(JsonNode schema) {
            if (schema.path("type").asText().equals("integer") || schema.path("const").isInt()) {
                return Kind.INTEGER;
            }
            if (schema.path("type").asText().equals("number")) {
                return Kind.NUMBER;
            }
            if (schema.path("type").asText().equals("boolean")) {
                return Kind.BOOLEAN;
            }
            if (schema.path("type").asText().equals("string") || schema.has("enum") || schema.has("const")) {
                return schema.path("format").asText().equals("date-time") ? Kind.INSTANT : Kind.TEXT;
            }
            throw new IllegalArgumentException("no rule for " + schema);
        }

        boolean allows(long number) {
            return kind == Kind.INTEGER && number >= minimum && number <= maximum || allows((double) number);
        }

        boolean allows(double number) {
            return kind == Kind.NUMBER && number >= least && number <= most;
        }

        boolean allows(String text) {
            if (kind == Kind.INSTANT) {
                return Instants.micros(text) != Instants.WRONG;
            }
            if (kind != Kind.TEXT) {
                return false;
            }
            if (known != null && known.contains(text)) {
                return true;
            }
            int length = text.length() <= maxLength ? text.length() : text.codePointCount(0, text.length());
            if (length < minLength || length > maxLength || !choices.isEmpty() && !choices.contains(text)
                || pattern != null && !pattern.matcher(text).matches()) {
                return false;
            }
            if (known != null && known.size() < REMEMBERED) {
                known.add(text);
            }
            return true;
        }
    }

    /** The rules of one event. */
    static final class Event {
        final Rule[] envelope;
        final Rule[] payload;
        final boolean hasMoney;

        Event(JsonNode schema) {
            envelope = rules(schema);
            payload = rules(schema.get("properties").get("payload"));
            hasMoney = schema.get("properties").get("payload").get("properties").has("amount_minor");
        }
    }

    private Schemas() { }

    /** Event name to its rules, of all schemas below a folder. */
    static Map<String, Event> load(Path folder) throws IOException {
        Map<String, Event> events = new HashMap<>();
        ObjectMapper mapper = new ObjectMapper();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : (Iterable<Path>) files.filter(path -> path.toString().endsWith(".json"))::iterator) {
                String name = file.getFileName().toString().replaceFirst("\\.json$", "");
                events.put(name, new Event(mapper.readTree(file.toFile())));
            }
        }
        return events;
    }

    private static Rule[] rules(JsonNode schema) {
        Set<String> required = new HashSet<>();
        schema.get("required").forEach(name -> required.add(name.asText()));
        List<Rule> rules = new ArrayList<>();
        schema.get("properties").properties().forEach(member -> {
            if (!member.getKey().equals("payload")) {
                rules.add(new Rule(member.getKey(), member.getValue(), required.contains(member.getKey())));
            }
        });
        return rules.toArray(new Rule[0]);
    }
}
