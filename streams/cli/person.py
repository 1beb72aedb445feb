"""Who sits at this machine, for what people decide."""

from __future__ import annotations

import getpass


def user() -> str:
    """Their name, which the api asks for only where it does not know who asks; "" where it is not known."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
