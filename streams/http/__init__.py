"""The api role."""

from streams.http.server import serve

__all__ = ["serve"]
