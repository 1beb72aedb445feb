"""Processing of a batch of records. No Faust, no network: the outside is reached through protocols."""
