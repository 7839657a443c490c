"""Placeholder until the stores are merged."""

from contextlib import AbstractAsyncContextManager

from callctl.settings import Settings
from callctl.store.port import History, Registry


def open_registry(settings: Settings) -> AbstractAsyncContextManager[Registry]:
    """The registry."""
    raise NotImplementedError


def open_history(settings: Settings) -> AbstractAsyncContextManager[History]:
    """The history."""
    raise NotImplementedError
