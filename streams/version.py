"""The version, of the command, the api and the metrics alike: that of the installed distribution."""

from importlib.metadata import version

VERSION = version("sluice")
