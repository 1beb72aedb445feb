"""What stands between a client and the routes: connections, TLS, who asks, bounds, the log of requests."""
