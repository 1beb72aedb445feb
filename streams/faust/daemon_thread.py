"""The thread of Faust's consumer."""

from __future__ import annotations

from typing import Any

from mode.threads import WorkerThread

THREAD_STOP_SECONDS = 1.0


class DaemonThread(WorkerThread):
    """A thread that neither the event loop that stops it nor Python's exit waits for without bound."""

    def __init__(self, service: Any, **kwargs: Any) -> None:
        super().__init__(service, **kwargs)
        self.daemon = True

    def stop(self) -> None:
        """Wait a moment for its end; the consumer has already left the group."""
        self.is_stopped.wait(THREAD_STOP_SECONDS)
