"""Facts and wishes as JSON and back, exactly: for the journal, the spool and the registry.

Written: one line with the version `v`, the kind `k` and the fields. Read tolerantly: an unknown field is skipped and a
missing one takes its default, so that a spool written by the version before is still read.
"""

import enum
import json
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from types import MappingProxyType
from typing import Any, cast, get_args, get_origin, get_type_hints

from callctl.core.events import CallWaiting, Fact, HomeSeat, LentSeat, PbxObserved
from callctl.core.model import SlotRef
from callctl.core.sightings import Sighting
from callctl.core.wishes import Wishes

VERSION = 1
Record = Fact | Sighting

_Coder = Callable[[Any], Any]
_ANSWERERS = {"home": HomeSeat, "slot": SlotRef, "lent": LentSeat}
_ANSWERER_KINDS = {kind: name for name, kind in _ANSWERERS.items()}


class Unreadable(Exception):
    """A line that is not one of ours, or of a later version."""


def encode(record: Record) -> str:
    """One line of JSON. Equal records give equal lines."""
    kind = type(record)
    return _dump({"v": VERSION, "k": kind.__name__, **_CODERS[kind][0](record)})


def decode(text: str) -> Record:
    """The record of a line. Raises Unreadable."""
    try:
        found = json.loads(text)
        if found["v"] != VERSION:
            raise Unreadable(f"written by a later callctl (version {found['v']})")
        return cast(Record, _CODERS[_KINDS[found["k"]]][1](found))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise Unreadable(f"not a fact: {error!r}") from None


def encode_wishes(wishes: Wishes) -> str:
    """Wishes as JSON; equal wishes give equal text."""
    return _dump({"v": VERSION, **_CODERS[Wishes][0](wishes)})


def decode_wishes(text: str) -> Wishes:
    """Wishes from JSON. Raises Unreadable."""
    try:
        return cast(Wishes, _CODERS[Wishes][1](json.loads(text)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable(f"not wishes: {error!r}") from None


def without_numbers(facts: Iterable[Fact]) -> Iterator[tuple[str, str]]:
    """Kind and line of each fact, citizens' numbers blanked; readings, large and repeated, are left out."""
    for fact in facts:
        if isinstance(fact, CallWaiting):
            yield "fact", encode(replace(fact, call=replace(fact.call, number="")))
        elif not isinstance(fact, PbxObserved):
            yield "fact", encode(fact)


def _dump(found: Mapping[str, Any]) -> str:
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    # A PBX may send broken UTF-8 that was decoded to lone surrogates; no file and no database takes those as they are.
    return text if text.isprintable() else json.dumps(found, separators=(",", ":"))


def _same(value: Any) -> Any:
    return value


def _coders(hint: Any) -> tuple[_Coder, _Coder]:
    """Encoder and decoder of one type."""
    if hint in (str, int, float, bool):
        return _same, _same
    if get_origin(hint) in (types.UnionType, typing.Union):
        return _encode_answerer, _decode_answerer
    if get_origin(hint) is tuple:
        put, get = _coders(get_args(hint)[0])
        return (lambda items: [put(item) for item in items]), (lambda items: tuple(get(item) for item in items))
    if get_origin(hint) is Mapping:
        put_one, get_one = _coders(get_args(hint)[1])
        return (
            lambda found: {key: put_one(found[key]) for key in sorted(found)},
            lambda found: MappingProxyType({key: get_one(value) for key, value in found.items()}),
        )
    if hint is SlotRef:
        return list, lambda found: SlotRef(*found)
    return _class_coders(hint)


def _class_coders(hint: Any) -> tuple[_Coder, _Coder]:
    if issubclass(hint, enum.Enum):
        return (lambda value: value.value), hint
    assert isinstance(hint, type), f"no JSON for {hint}"
    assert is_dataclass(hint), f"no JSON for {hint}"
    make: Callable[..., Any] = hint
    hints = get_type_hints(hint)
    parts = [(field.name, *_coders(hints[field.name])) for field in fields(hint)]

    def put(value: Any) -> dict[str, Any]:
        return {name: encode_part(getattr(value, name)) for name, encode_part, _ in parts}

    def get(found: Any) -> Any:
        return make(**{name: decode_part(found[name]) for name, _, decode_part in parts if name in found})

    return put, get


def _encode_answerer(by: Any) -> dict[str, Any]:
    kind = type(by)
    return {_ANSWERER_KINDS[kind]: list(by) if kind is SlotRef else [getattr(by, part.name) for part in fields(kind)]}


def _decode_answerer(found: Any) -> Any:
    ((name, parts),) = found.items()
    return _ANSWERERS[name](*parts)


_KINDS = {kind.__name__: kind for kind in get_args(Record)}
_CODERS: dict[Any, tuple[_Coder, _Coder]] = {kind: _coders(kind) for kind in (*get_args(Record), Wishes)}
