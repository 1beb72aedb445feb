"""Which alarms people are told of, and when: pure, and the same again when it is done again."""
