"""`sluice restore`: Kafka was lost; the views' state is computed anew from what former Bronzes have."""
