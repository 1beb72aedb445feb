"""The one impure folder: Kafka, HTTP, commands, files and the environment."""
