"""What an event is: one typed declaration each, from which decoding, validation and documentation are derived."""
