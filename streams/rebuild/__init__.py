"""`sluice views rebuild`: a view's past is computed from Bronze and Kafka, while all else goes on."""
