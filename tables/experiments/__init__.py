"""The statistics of experiments: exact sums of users, and the estimates that are made of them."""
