"""What a PBX admin is told about agents/ and queues/, and what the rest of the program gets from them."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callctl.core.model import Lending, Pair, PbxKind
from callctl.province import ProvinceError, read_province

QUEUES = """\
name_zh = "{name}"
area_code = "0514"

[pbx]
kind = "asterisk"
host = "10.0.{number}.1"
carrier = "10.9.{number}.1"

[queue]
wait_threshold_s = 20

[lend]
reserve = 1
quota = 2
helps = ["*"]
"""
SEAT = '[[seat]]\nid = "{id}"\nagent = "{agent}"\nname = "王芳"\nlend = "{lend}"\nskills = ["mandarin"]\n\n'
NAMES = {"nanjing": "南京", "suzhou": "苏州", "yangzhou": "扬州"}


def write_city(folder: Path, code: str, number: int, peers: dict[str, int], name: str, seats: int = 4) -> None:
    trunks = "".join(
        f'\n[[trunk]]\nto = "{peer}"\nhost = "10.0.{other}.1"\nchannels = 30\n' for peer, other in peers.items()
    )
    lends = ["shared", "shared", "dedicated", *["no"] * seats][:seats]
    rows = [SEAT.format(id=f"{number + 10}{n:02d}", agent=f"{number}-{n}", lend=lends[n]) for n in range(seats)]
    for kind, text in (("queues", QUEUES.format(name=name, number=number) + trunks), ("agents", "".join(rows))):
        (folder / kind).mkdir(exist_ok=True)
        (folder / kind / f"{code}.toml").write_text(text, encoding="utf-8")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Three cities without a mistake."""
    numbers = {code: number for number, code in enumerate(NAMES, start=1)}
    for code, number in numbers.items():
        peers = {peer: other for peer, other in numbers.items() if peer != code}
        write_city(tmp_path, code, number, peers, NAMES[code])
    return tmp_path


def change(folder: Path, file: str, old: str, new: str) -> None:
    """Replace the first `old`; the test is wrong where there is none."""
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def mistakes(folder: Path) -> list[str]:
    with pytest.raises(ProvinceError) as caught:
        read_province(folder)
    lines = [str(mistake) for mistake in caught.value.mistakes]
    assert str(caught.value) == "\n".join(lines)
    assert all(line.isprintable() for line in lines)
    return lines


def test_what_is_written_is_what_the_core_gets(good: Path) -> None:
    change(good, "queues/yangzhou.toml", 'kind = "asterisk"', 'kind = "freeswitch"\nversion = 20\nphones = "10.1.0.0/16"')
    change(good, "queues/yangzhou.toml", "wait_threshold_s = 20", "wait_threshold_s = 12.5\nannounce_position = true")
    city = read_province(good).cities["yangzhou"]
    assert (city.name_zh, city.area_code, city.pbx.kind, city.pbx.version) == ("扬州", "0514", PbxKind.FREESWITCH, 20)
    assert (city.queue.wait_threshold_s, city.queue.announce_position, city.queue.survey) == (12.5, True, True)
    assert (city.lend.reserve, city.lend.quota, city.lend.helps) == (1, 2, ("*",))
    assert city.lend.together == 3  # A file that does not say it: as before this setting, but on.
    assert [seat.lend for seat in city.seats] == [Lending.SHARED, Lending.SHARED, Lending.DEDICATED, Lending.NO]
    assert city.seats[0].name == "王芳"
    assert city.trunk_to("suzhou") is not None
    assert read_province(good).channels(Pair("yangzhou", "suzhou")) == 30


def test_rare_and_minority_names_survive(good: Path) -> None:
    for name in ("阿依古丽·买买提", "𬭎𠮷", "王（班长）", "Anna-Lena 2"):
        change(good, "agents/suzhou.toml", 'name = "王芳"', f'name = "{name}"')
        assert read_province(good).cities["suzhou"].seats[0].name == name
        change(good, "agents/suzhou.toml", f'name = "{name}"', 'name = "王芳"')


def test_files_of_editors_and_readmes_are_passed_over(good: Path) -> None:
    for name in ("README.md", "yangzhou.toml.bak", ".#yangzhou.toml", "._yangzhou.toml", "yangzhou.toml~"):
        (good / "queues" / name).write_text("nonsense [", encoding="utf-8")
    (good / "agents" / "old.toml").mkdir()
    assert len(read_province(good).cities) == 3


# (file, what stands there, what is written instead, where the mistake is, what is said of it)
Q, A = "queues/yangzhou.toml", "agents/yangzhou.toml"
WRONG_VALUES = [
    (Q, "quota = 2", 'quota = "2"', f"{Q}:14 lend.quota", 'is "2", must be a whole number – write quota = 2, without'),
    (Q, "quota = 2", "quota = 2.0", f"{Q}:14 lend.quota", "must be a whole number"),
    (Q, "quota = 2", "quota = true", f"{Q}:14 lend.quota", "is true, must be a whole number"),
    (Q, "quota = 2", "quota = -1", f"{Q}:14 lend.quota", "is -1, must be at least 0"),
    (Q, "quota = 2", "quota = 4", f"{Q}:14 lend.quota", "quota 4 is over the 3 seats that may be lent"),
    (Q, "quota = 2", f"quota = 0x{'f' * 5000}", f"{Q}:14 lend.quota", "a very large number"),
    (Q, "quota = 2", "quota = 2\ntogether = 0", f"{Q}:15 lend.together", "is 0, must be at least 1"),
    (Q, "quota = 2", 'quota = 2\ntogether = "3"', f"{Q}:15 lend.together", "must be a whole number"),
    (Q, "quota = 2", "quota = 2\ntogether = 11", f"{Q}:15 lend.together", "must be at most 10"),
    (Q, "reserve = 1", "reserve = 5", f"{Q}:13 lend.reserve", "reserve 5 is over the city's 4 seats"),
    (Q, '["*"]', '["nowhere"]', f"{Q}:15 lend.helps[1]", 'may help unknown city "nowhere"'),
    (Q, '["*"]', '["suzhuo"]', f"{Q}:15 lend.helps[1]", 'did you mean "suzhou"?'),
    (Q, '["*"]', '["苏州市"]', f"{Q}:15 lend.helps[1]", 'did you mean "suzhou"?'),
    (Q, '["*"]', '["yangzhou"]', f"{Q}:15 lend.helps[1]", "yangzhou (扬州) may help itself"),
    (Q, '["*"]', '["suzhou", "suzhou"]', f"{Q}:15 lend.helps[2]", "suzhou (苏州) is in the list twice"),
    (Q, '["*"]', '["*", "suzhou"]', f"{Q}:15 lend.helps[1]", '"*" beside other cities'),
    (Q, '["*"]', '"*"', f"{Q}:15 lend.helps", 'is "*", must be a list – write e.g. helps = ["*"]'),
    (Q, '["*"]', "[1]", f"{Q}:15 lend.helps[1]", "is 1, must be text in quotes"),
    (Q, "= 20", "= 0", f"{Q}:10 queue.wait_threshold_s", "is 0, must be more than 0"),
    (Q, "= 20", "= 20000", f"{Q}:10 queue.wait_threshold_s", "must be at most 3600"),
    (Q, "= 20", "= inf", f"{Q}:10 queue.wait_threshold_s", "is inf, must be a number"),
    (Q, "= 20", '= "20"', f"{Q}:10 queue.wait_threshold_s", "write wait_threshold_s = 20, without quotes"),
    (Q, "= 20", "= 20\nsl_target = 1.2", f"{Q}:11 queue.sl_target", "is 1.2, must be at most 1"),
    (Q, "= 20", '= 20\nrecord = "yes"', f"{Q}:11 queue.record", 'is "yes", must be true or false'),
    (Q, "= 20", '= 20\nname = "support-x"', f"{Q}:11 queue.name", "is a name that the PBX or callctl uses itself"),
    (Q, "= 20", '= 20\nname = "q]"', f"{Q}:11 queue.name", "is not a queue name"),
    (Q, "= 20", '= 20\nnotice = "a&b"', f"{Q}:11 queue.notice", "is not the name of a sound file"),
    (Q, "= 20", '= 20\ngreeting = "您好{city}"', f"{Q}:11 queue.greeting", "no other braces"),
    (Q, "wait_threshold_s", "wait_treshold_s", f"{Q}:10 queue.wait_treshold_s", 'did you mean "wait_threshold_s"?'),
    (Q, "wait_threshold_s", "reserve", f"{Q}:10 queue.reserve", '"reserve" belongs into [lend]'),
    (Q, "[queue]", "[que]", f"{Q}:9 que", 'unknown key "que" – did you mean "queue"?'),
    (Q, "[queue]", "[[queue]]", f"{Q}:9 queue", "write [queue] in single brackets"),
    (Q, "[[trunk]]", "[xyz]", f"{Q}:17 xyz", "remove it; the keys here are name_zh, area_code"),
    (Q, "area_code", "[[seat]]\nid", f"{Q}:2 seat", '"seat" belongs into agents/'),
    (Q, 'area_code = "0514"\n', "", f"{Q} area_code", 'is missing – write e.g. area_code = "0514"'),
    (Q, '"0514"', "514", f"{Q}:2 area_code", 'is 514, must be text in quotes – write area_code = "514", in quotes'),
    (Q, '"0514"', '"1514"', f"{Q}:2 area_code", "is not an area code"),
    (Q, '"扬州"', '""', f"{Q}:1 name_zh", "is empty"),
    (Q, '"扬州"', '" 扬州"', f"{Q}:1 name_zh", "begins or ends with a blank"),
    (Q, '"扬州"', f'"{"扬" * 41}"', f"{Q}:1 name_zh", "is 41 characters long"),
    (Q, '"扬州"', '"扬\\n州"', f"{Q}:1 name_zh", '"扬\\u000a州" holds the invisible character U+000A'),
    (Q, '"扬州"', '"扬\\u001b[31m"', f"{Q}:1 name_zh", "holds the invisible character U+001B"),
    (Q, '"扬州"', '"扬\\u202e州"', f"{Q}:1 name_zh", "holds the invisible character U+202E"),
    (Q, 'kind = "asterisk"\n', "", f"{Q}:4 pbx.kind", 'is missing – write e.g. kind = "asterisk"'),
    (Q, '"asterisk"', '"Asterisk"', f"{Q}:5 pbx.kind", 'is "Asterisk", must be "asterisk" or "freeswitch"'),
    (Q, '"asterisk"', '"asterisk"\nversion = 17', f"{Q}:6 pbx.version", "is 17, must be at least 18"),
    (Q, '"asterisk"', '"asterisk"\nversion = 23', f"{Q}:6 pbx.version", "is 23, must be at most 22"),
    (Q, '"asterisk"', '"asterisk"\nphones = "10.0.0.1/8"', f"{Q}:6 pbx.phones", "is not an IPv4 network"),
    (Q, '"10.0.3.1"', '"10.0.3.256"', f"{Q}:6 pbx.host", '"10.0.3.256" is not an IPv4 address'),
    (Q, '"10.0.3.1"', '"扬州.example"', f"{Q}:6 pbx.host", "is not an IPv4 address or DNS name"),
    (Q, '"10.0.3.1"', '"10.0.3.1:5060"', f"{Q}:6 pbx.host", "write the port as a key of its own"),
    (Q, '"10.0.3.1"', '""', f"{Q}:6 pbx.host", "is not an IPv4 address or DNS name"),
    (Q, '"10.0.3.1"', '"0.0.0.0"', f"{Q}:6 pbx.host", "is no machine's address"),
    (Q, '"10.0.3.1"', '"x\\n[evil]"', f"{Q}:6 pbx.host", "is not an IPv4 address or DNS name"),
    (Q, '"10.0.3.1"', '"10.0.2.1"', f"{Q}:6 pbx.host", "is already the PBX of suzhou (苏州), queues/suzhou.toml:6"),
    (Q, '"10.9.3.1"', '"10.0.3.1"', f"{Q}:7 pbx.carrier", "is the address of this PBX itself"),
    (Q, '"10.9.3.1"', '"10.0.2.1"', f"{Q}:24 trunk[2].host", '"10.0.2.1" is also the address of the carrier'),
    (Q, '"10.9.3.1"', '"10.9.3.1"\nami_host = "10.0.2.1"', f"{Q}:8 pbx.ami_host", "is already that of suzhou (苏州)"),
    (Q, "channels = 30", "channels = 0", f"{Q}:20 trunk[1].channels", "is 0, must be at least 1"),
    (Q, 'to = "nanjing"', 'to = "yangzhou"', f"{Q}:18 trunk[1].to", "trunk of yangzhou (扬州) to itself"),
    (Q, 'to = "nanjing"', 'to = "suzhou"', f"{Q}:23 trunk[2].to", f"second trunk to suzhou (苏州), the first is at {Q}:18"),
    (Q, 'host = "10.0.1.1"', 'host = "10.0.2.1"', f"{Q}:24 trunk[2].host", "is also the address of the trunk to nanjing"),
    (A, 'id = "1300"', "id = 1300", f"{A}:2 seat[1].id", 'is 1300, must be text in quotes – write id = "1300", in quotes'),
    (A, 'id = "1300"', 'id = "13O0"', f"{A}:2 seat[1].id", '"13O0" is not a seat number – use 3 to 8 digits'),
    (A, 'id = "1300"', 'id = "１３００"', f"{A}:2 seat[1].id", "is not a seat number"),
    (A, 'id = "1300"', 'id = "12345"', f"{A}:2 seat[1].id", "is the hotline's own number"),
    (A, 'id = "1300"', 'id = "1303"', f"{A}:23 seat[4].id", f'"1303" is there already: yangzhou (扬州), {A}:2'),
    (A, 'id = "1300"', 'id = "1100"', f"{A}:2 seat[1].id", "is there already: nanjing (南京), agents/nanjing.toml:2"),
    (A, 'agent = "3-1"', 'agent = "3-0"', f"{A}:10 seat[2].agent", f"sits at a second seat, the first is at {A}:3"),
    (A, '"shared"', '"yes"', f"{A}:5 seat[1].lend", 'is "yes", must be "no", "shared" or "dedicated"'),
    (A, 'lend = "shared"\n', "", f"{A}:1 seat[1].lend", 'is missing – write e.g. lend = "shared"'),
    (A, '["mandarin"]', '["Mandarin;"]', f"{A}:6 seat[1].skills[1]", '"Mandarin;" is not a skill'),
    (A, "[[seat]]", "[[seats]]", f"{A}:1 seats", 'unknown key "seats" – did you mean "seat"?'),
    (A, "skills", "name_zh", f"{A}:6 seat[1].name_zh", 'unknown key "name_zh"'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "old", "new", "where", "text"), WRONG_VALUES, ids=[f"{w[3]}={w[2]}"[:60] for w in WRONG_VALUES]
)
def test_a_wrong_value_is_told_with_file_line_key_and_mending(
    good: Path, file: str, old: str, new: str, where: str, text: str
) -> None:
    change(good, file, old, new)
    told = [line for line in mistakes(good) if line.startswith(f"{where} – ")]
    assert any(text in line for line in told), mistakes(good)
    assert all(line.count(" – ") == 2 for line in told)


@pytest.mark.parametrize("sign", list(";[]|,\"'`\\${}()<>&^%#=:/*?!@~+"))
def test_a_sign_that_a_pbx_file_could_misread_is_refused_in_a_name(good: Path, sign: str) -> None:
    for file, old in ((A, 'name = "王芳"'), (A, 'agent = "3-0"'), (Q, 'name_zh = "扬州"')):
        written = old.replace('"', "'''").replace("王", f"王{sign}").replace("3-", f"3{sign}").replace("扬", f"扬{sign}")
        change(good, file, old, written.replace("'''", '"') if sign == "'" else written)
    told = [line for line in mistakes(good) if "could misread" in line and f"holds {sign}," in line]
    assert len(told) == 3


def _without_trunk_back(folder: Path) -> None:
    change(folder, "queues/suzhou.toml", '[[trunk]]\nto = "yangzhou"\nhost = "10.0.3.1"\nchannels = 30\n', "")


def _not_utf8(folder: Path) -> None:
    path = folder / Q
    path.write_bytes(path.read_text(encoding="utf-8").encode("gb18030"))


def _neither(folder: Path) -> None:
    path = folder / Q
    path.write_bytes(path.read_bytes() + b"# \xff\xff")


def _utf16(folder: Path) -> None:
    path = folder / Q
    path.write_bytes(path.read_text(encoding="utf-8").encode("utf-16"))


def _marked(folder: Path) -> None:
    path = folder / Q
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())


def _empty(folder: Path) -> None:
    for path in (*folder.glob("queues/*"), *folder.glob("agents/*")):
        path.unlink()


def _named(name: str) -> Callable[[Path], None]:
    def rename(folder: Path) -> None:
        (folder / Q).rename(folder / f"queues/{name}.toml")
        (folder / A).rename(folder / f"agents/{name}.toml")

    return rename


def _unlinked(folder: Path) -> None:
    for one, other in (("suzhou", "yangzhou"), ("yangzhou", "suzhou")):
        text = (folder / f"queues/{one}.toml").read_text(encoding="utf-8")
        (folder / f"queues/{one}.toml").write_text(text.replace(f'"{other}"', '"nanjing"').replace('"*"', f'"{other}"'))


@pytest.mark.parametrize(
    ("harm", "text"),
    [
        (_without_trunk_back, f"{Q}:23 trunk[2].to – trunk to suzhou (苏州), which has no trunk back – add [[trunk]]"),
        (_unlinked, f"{Q}:15 lend.helps[1] – may help suzhou (苏州), but there is no trunk between the two"),
        (_not_utf8, f"{Q}:1 – is not UTF-8; it looks like GB18030 (GBK) – save it as UTF-8: iconv -f GB18030"),
        (_neither, f"{Q}:26 – is not UTF-8 text"),
        (_utf16, f"{Q}:1 – is UTF-16, not UTF-8"),
        (_marked, f"{Q}:1 – begins with a byte-order mark (BOM) – save it as UTF-8 without BOM"),
        (lambda folder: change(folder, Q, "quota = 2", "quota 2"), f"{Q}:14 – is not TOML: Expected '=' after a key"),
        (lambda folder: change(folder, Q, "quota = 2", "quota = 2\nquota = 3"), f"{Q}:15 – is not TOML: Cannot overwrite"),
        (lambda folder: change(folder, Q, '"扬州"', "“扬州”"), f"{Q}:1 – is not TOML: Invalid value, column 11 – type “ ”"),
        (lambda folder: change(folder, Q, '"*"]', '"*"'), f"{Q}:17 – is not TOML"),
        (lambda folder: change(folder, Q, "quota = 2", f"quota = {'9' * 5000}"), f"{Q} – holds a number that is far"),
        (lambda folder: change(folder, Q, '["*"]', "[" * 5000), f"{Q} – is nested too deep"),
        (lambda folder: (folder / A).unlink(), f"{Q} – there is no {A} – add {A}"),
        (lambda folder: (folder / Q).unlink(), f"{A} – there is no {Q} – add {Q}"),
        (_empty, "queues/ – no <city>.toml in"),
        (lambda folder: shutil.rmtree(folder / "agents"), "agents/ – the folder"),
        (shutil.rmtree, "queues/ – the folder"),
        (_named("support"), 'queues/support.toml – the file name "support" is a reserved word'),
        (_named("all"), 'queues/all.toml – the file name "all" is a reserved word'),
        (_named("Yangzhou"), 'queues/Yangzhou.toml – the file name "Yangzhou" is not a city code'),
        (_named("yang-zhou"), 'queues/yang-zhou.toml – the file name "yang-zhou" is not a city code'),
        (_named("扬州"), 'queues/扬州.toml – the file name "扬州" is not a city code – use 1 to 24 letters a-z'),
        (_named("yang\nzhou"), 'queues/yang\\u000azhou.toml – the file name "yang\\u000azhou" is not a city code'),
    ],
)  # fmt: skip
def test_a_wrong_file_or_folder_is_told_in_one_line(good: Path, harm: Callable[[Path], None], text: str) -> None:
    harm(good)
    told = mistakes(good)
    assert any(line.startswith(text) for line in told), told


def test_every_mistake_of_every_file_is_told_at_once(good: Path) -> None:
    change(good, Q, "wait_threshold_s = 20", "wait_threshold_s = 0")
    change(good, Q, "quota = 2", "quota = 4")
    change(good, Q, "channels = 30", 'channels = "30"')
    change(good, Q, 'to = "suzhou"', 'to = "suzhuo"')
    change(good, A, 'id = "1300"', 'id = "1100"')
    change(good, A, 'agent = "3-1"', 'agent = "3-0"')
    change(good, "agents/nanjing.toml", 'lend = "shared"', 'lend = "often"')
    change(good, "queues/nanjing.toml", 'name_zh = "南京"', "name_zh = 南京")
    path = good / "queues/suzhou.toml"
    path.write_bytes(path.read_text(encoding="utf-8").replace("reserve = 1", "reserve = 9").encode("gb18030"))
    told = [line.split(" – ")[0] for line in mistakes(good)]
    assert told == [
        "agents/nanjing.toml:5 seat[1].lend",
        f"{A}:2 seat[1].id",
        f"{A}:10 seat[2].agent",
        "queues/nanjing.toml:1",
        "queues/suzhou.toml:1",
        "queues/suzhou.toml:13 lend.reserve",
        "queues/suzhou.toml:23 trunk[2].to",
        f"{Q}:10 queue.wait_threshold_s",
        f"{Q}:14 lend.quota",
        f"{Q}:20 trunk[1].channels",
        f"{Q}:23 trunk[2].to",
    ]


def test_a_wrong_trunk_does_not_make_its_peer_wrong_too(good: Path) -> None:
    change(good, Q, 'to = "suzhou"', "to = 5")
    assert [line.split(" – ")[0] for line in mistakes(good)] == [f"{Q}:23 trunk[2].to"]


def test_windows_line_ends_keep_their_line_numbers(good: Path) -> None:
    change(good, Q, "quota = 2", "quota = 2.5")
    path = good / Q
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert mistakes(good)[0].startswith(f"{Q}:14 lend.quota")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(draws=st.data(), file=st.sampled_from([Q, A]))
def test_whatever_a_file_is_turned_into_only_mistakes_are_raised(good: Path, draws: st.DataObject, file: str) -> None:
    raw = (good / file).read_bytes()
    changed = bytearray(raw)
    for _ in range(draws.draw(st.integers(1, 4))):
        at = draws.draw(st.integers(0, len(changed)))
        length = draws.draw(st.sampled_from([0, 0, 1, 5, 40]))
        insert = draws.draw(
            st.one_of(
                st.binary(max_size=3),
                st.sampled_from([b"\n", b'"', b"'''", b"[[", b"]", b"{", b"= ", b"inf", b"1e400", b"0x" + b"f" * 300]),
                st.text(max_size=4).map(lambda text: text.encode("utf-8", "surrogatepass")),
            )
        )
        changed[at : at + length] = insert
    (good / file).write_bytes(bytes(changed))
    try:
        with suppress(ProvinceError):
            read_province(good)
    finally:
        (good / file).write_bytes(raw)


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)


def _toml(value: object) -> str:
    match value:
        case None:
            return "1979-05-27T07:32:00Z"
        case bool():
            return "true" if value else "false"
        case str():
            return '"' + "".join(f"\\U{ord(c):08x}" for c in value if not 0xD800 <= ord(c) <= 0xDFFF) + '"'
        case list():
            return "[" + ", ".join(_toml(entry) for entry in value) + "]"
        case dict():
            return "{" + ", ".join(f"{_toml(key)} = {_toml(entry)}" for key, entry in value.items()) + "}"
        case _:
            return str(value)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(draws=st.data(), junk=JUNK)
def test_whatever_stands_as_a_value_only_mistakes_are_raised(good: Path, draws: st.DataObject, junk: object) -> None:
    file = draws.draw(st.sampled_from([Q, A]))
    text = (good / file).read_text(encoding="utf-8")
    lines = text.split("\n")
    number = draws.draw(st.sampled_from([n for n, line in enumerate(lines) if " = " in line]))
    lines[number] = lines[number].partition(" = ")[0] + " = " + _toml(junk)
    (good / file).write_text("\n".join(lines), encoding="utf-8")
    try:
        with suppress(ProvinceError):
            read_province(good)
    finally:
        (good / file).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("table", ["pbx", "queue", "lend", "trunk"])
@pytest.mark.parametrize("junk", ["1", '"x"', "[1]", "[[1]]", '[{to = "suzhou"}]', "{x = 1}"])
def test_a_table_of_the_wrong_shape_is_told_and_nothing_else_breaks(good: Path, table: str, junk: str) -> None:
    (good / Q).write_text(f'name_zh = "扬州"\narea_code = "0514"\n{table} = {junk}\n', encoding="utf-8")
    assert any(line.startswith(f"{Q}:3 {table}") for line in mistakes(good))


def test_three_hundred_cities_of_a_hundred_seats_are_read(tmp_path: Path) -> None:
    letters = "abcdefghijklmnopqrst"
    codes = [f"city{letters[n // 20]}{letters[n % 20]}" for n in range(300)]
    (tmp_path / "queues").mkdir()
    (tmp_path / "agents").mkdir()
    for number, code in enumerate(codes):
        address = f"10.{number // 250}.{number % 250}"
        near = sorted({(number + step) % 300 for step in range(-10, 11)} - {number})
        trunks = "".join(f'[[trunk]]\nto = "{codes[n]}"\nhost = "10.{n // 250}.{n % 250}.1"\nchannels = 30\n' for n in near)
        queues = QUEUES.format(name=f"市{number}", number=0).replace("10.0.0", address).replace("10.9.0.1", f"{address}.9")
        (tmp_path / "queues" / f"{code}.toml").write_text(queues + trunks, encoding="utf-8")
        seats = "".join(SEAT.format(id=f"{100000 + number * 100 + n}", agent=f"{n}", lend="shared") for n in range(100))
        (tmp_path / "agents" / f"{code}.toml").write_text(seats, encoding="utf-8")
    province = read_province(tmp_path)
    assert len(province.cities) == 300
    assert sum(len(city.seats) for city in province.cities.values()) == 30_000
