"""Records of the quarantine and of its audit."""
