"""Where a key stands in a TOML file, in every way TOML lets one write it."""

from callctl.folders.lines import key_lines, line_of


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
