"""The embedded Apache Kafka, for the demo, the tests and a developer's machine."""
