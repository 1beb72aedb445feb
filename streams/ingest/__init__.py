"""Takes events by HTTP, and answers once Kafka has them."""
