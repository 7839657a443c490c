"""Small things that every map of a PBX needs: numbers from anybody's text, and a memory with an end."""

from collections import OrderedDict
from typing import Any, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

MOST_REMEMBERED = 20_000  # Of each kind; the largest hotline queue in the province has a tenth of that.


def number_of(text: Any, otherwise: float = 0.0) -> float:
    """A plain decimal number, or `otherwise`; never infinite, never not-a-number."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        return otherwise
    return value if -1e12 < value < 1e12 else otherwise


def remember(store: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    """Newest last; the oldest is forgotten above the bound. (A plain dict gets slow when its oldest are deleted.)"""
    store[key] = value
    store.move_to_end(key)
    if len(store) > MOST_REMEMBERED:
        store.popitem(last=False)
