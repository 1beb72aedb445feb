"""What a view is: declarations, the fold of events into them, and how the result is written and read.

Pure and synchronous: nothing here knows Kafka, HTTP or the environment.
"""
