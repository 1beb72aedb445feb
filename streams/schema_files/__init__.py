"""The events' schemas outside of this process: in folders, in git, in a registry."""
