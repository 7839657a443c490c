"""Turns what pydantic found wrong in a file into mistakes that a PBX admin can mend."""

import difflib
from collections.abc import Iterable, Mapping

from pydantic_core import ErrorDetails

from callctl.folders.mistake import Path, quoted, shown
from callctl.folders.tables import REPEATED, TABLES, AgentsFile, QueuesFile, Table

_KINDS = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "int_parsing_size": "a smaller number",
    "bool_type": "true or false",
    "list_type": "a list",
    "model_type": "one table",
}
_LIMITS = {
    "greater_than": ("gt", "must be more than"),
    "greater_than_equal": ("ge", "must be at least"),
    "less_than": ("lt", "must be less than"),
    "less_than_equal": ("le", "must be at most"),
}


def explain(form: type[Table], error: ErrorDetails) -> tuple[str, str]:
    """What is wrong, and how to mend it."""
    path: Path = error["loc"]
    kind, ctx, value = error["type"], error.get("ctx", {}), error["input"]
    table, key = _table(form, path), _last_name(path)
    example = _example(table, key, value) if kind in _KINDS else _example(table, key)
    match kind:
        case "callctl":
            return f"{quoted(value)} {ctx['what']}", ctx["mend"]
        case "extra_forbidden":
            return f"unknown key {quoted(key)}", _which_key(form, table, key)
        case "missing":
            what = "is missing"
        case "literal_error":
            what = f"is {quoted(value)}, must be {ctx['expected'].replace(chr(39), chr(34))}"
            example = "write one of these, in small letters and quotes"
        case _ if kind in _LIMITS:
            limit, words = _LIMITS[kind]
            what = f"is {quoted(value)}, {words} {ctx[limit]:g}"
        case _ if kind in _KINDS:
            what = f"is {quoted(value)}, must be {_KINDS[kind]}"
        case _:
            what = f"is {quoted(value)}: {shown(error['msg'])}"
    return what, example


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` looks like."""
    close = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def nearest_city(word: str, names: Mapping[str, str]) -> str | None:
    """The code of the city that was meant, by code or by Chinese name; `names` is Chinese name by code."""
    meant = next((code for code, name in names.items() if name and name in (word, word.removesuffix("市"))), None)
    return meant or did_you_mean(word, names)


def _table(form: type[Table], path: Path) -> type[Table]:
    return TABLES.get(str(path[0]), form) if len(path) > 1 else form


def _last_name(path: Path) -> str:
    return next((part for part in reversed(path) if isinstance(part, str)), "")


def _heading(key: str) -> str:
    return f"[[{key}]]" if key in REPEATED else f"[{key}]"


def _example(table: type[Table], key: str, value: object = None) -> str:
    if key in TABLES and table in (QueuesFile, AgentsFile, TABLES[key]):
        once = "in double brackets, once for each" if key in REPEATED else "in single brackets, once"
        return f"write {_heading(key)} {once}, its keys on the lines below"
    field = table.model_fields.get(key)
    if field is None or not field.examples:
        return "see the shipped files"
    example = field.examples[0]
    if isinstance(value, str) and value.isascii() and value.isdecimal() and isinstance(example, int | float):
        return f"write {key} = {shown(value)}, without quotes"
    # A number where text belongs: the quotes are all that is missing.
    if type(value) is int and isinstance(example, str) and example.isdecimal() and value.bit_length() < 64:
        return f'write {key} = "{value}", in quotes'
    return f"write e.g. {key} = {_toml(example)} ({field.description})"


def _toml(example: object) -> str:
    if isinstance(example, list):
        return "[" + ", ".join(quoted(entry) for entry in example) + "]"
    return quoted(example)


def _which_key(form: type[Table], table: type[Table], key: str) -> str:
    """The key that was meant: a misspelt one of this table, or one that belongs into another table or file."""
    for name, other in TABLES.items():
        if other is not table and key in other.model_fields and key not in form.model_fields:
            file = "" if name in form.model_fields else f" of {'agents' if name == 'seat' else 'queues'}/"
            return f"{quoted(key)} belongs into {_heading(name)}{file}"
    for top, file in ((QueuesFile, "queues/"), (AgentsFile, "agents/")):
        if key in top.model_fields:
            return f"{quoted(key)} belongs at the top of the file" if top is form else f"{quoted(key)} belongs into {file}"
    meant = did_you_mean(key, table.model_fields)
    if meant:
        return f"did you mean {quoted(meant)}?"
    return f"remove it; the keys here are {', '.join(table.model_fields)}"
