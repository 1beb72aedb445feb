"""What an api does beside answering: what it follows, and what it runs for one question at a time."""
