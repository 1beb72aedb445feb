"""Kafka without Faust: clients, topics, record batches in every format, and what tells topics apart."""
