"""What an event is: one typed declaration each; decoding, validation and documents are derived from it."""
