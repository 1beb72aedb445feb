"""The api role: queries of the views and gates over HTTP, and the client that asks them."""
