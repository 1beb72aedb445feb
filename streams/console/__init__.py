"""The console: a page over the api, of files that are served as they are."""
