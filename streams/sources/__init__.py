"""Where events come from besides live producers: files that are replayed."""
