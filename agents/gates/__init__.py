"""The gates agent: evaluates the recon gates."""
