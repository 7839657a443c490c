"""Where a key stands in a TOML file, in every way TOML lets one write it."""

import tomllib
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from callctl.folders.lines import key_lines, line_of
from callctl.folders.mistake import Path


def test_lines_are_found_in_every_way_to_write_toml() -> None:
    text = '''\
"a.b" = """
x = 1
[no]
"""  # comment
c = { d = 1, e = [
  1,
  { f = 'x' },  # ]
] }
[[t]]
k.l = 1
[t.u]
v = 2
[[t]]
'q' = """x""""
'''
    lines = key_lines(text)
    wanted = {
        ("a.b",): 1, ("c",): 5, ("c", "d"): 5, ("c", "e", 0): 6, ("c", "e", 1, "f"): 7,
        ("t",): 9, ("t", 0): 9, ("t", 0, "k", "l"): 10, ("t", 0, "u"): 11, ("t", 0, "u", "v"): 12, ("t", 1): 13,
        ("t", 1, "q"): 14,
    }  # fmt: skip
    assert {path: lines.get(path) for path in wanted} == wanted


def test_a_key_that_is_not_there_stands_where_its_table_stands() -> None:
    lines = key_lines('[pbx]\nkind = "asterisk"\n\n[[trunk]]\nto = "a"\n[[trunk]]\n')
    assert line_of(lines, ("pbx", "host")) == 1
    assert line_of(lines, ("trunk", 1, "to")) == 6
    assert line_of(lines, ("lend", "quota")) is None


def _paths(value: object, path: Path = ()) -> Iterator[Path]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield (*path, key)
        yield from _paths(entry, (*path, key))


PIECES = [
    *"ab\"'[]{},.\n #\\1",
    '"""',
    "'''",
    "[[",
    "]]",
    " = ",
    "a = ",
    "[a]\n",
    "[[b]]\n",
    "b.a = 1\n",
    "{a = [1]}",
    "'#]'",
]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_every_key_of_whatever_python_accepts_has_a_line(pieces: list[str]) -> None:
    text = "".join(pieces)
    try:
        doc = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = key_lines(text)
    assert [path for path in _paths(doc) if path not in lines] == []
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())
