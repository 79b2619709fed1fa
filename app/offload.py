"""Database and network calls off the event loop: one process draws every page, so nobody may hold the loop."""

from starlette.concurrency import run_in_threadpool as off_loop

__all__ = ["off_loop"]
