"""What a worker keeps of a source partition: windowed sums, entities, and the ids that find duplicates."""
