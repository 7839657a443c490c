"""What a PBX admin gets from `callctl render`: the same bytes every time, and never a line nobody wrote.

After a wanted change of dialplan/, write the golden files anew and read the difference:
    CALLCTL_WRITE_GOLDEN=1 pytest tests/render; git diff tests/render/golden
"""

import dataclasses
import os
import re
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from callctl.core.model import City, PbxKind, Province, Seat, Trunk
from callctl.render.asterisk import DEBIAN, AsteriskTimes, render_city
from callctl.render.values import RenderError, UnfitValue, environment
from callctl.settings import Settings, SettingsError, read_settings
from tests.provinces import three_cities

GOLDEN = Path(__file__).parent / "golden"
SECRETS = {f"CALLCTL_AMI_SECRET_{city}": "an-ami-secret" for city in ("NANJING", "XUZHOU", "YANGZHOU")}
SETTINGS = read_settings({**SECRETS, "CALLCTL_SIP_SECRET": "a-key-for-the-phones"})


def settings_with(**environment: str) -> Settings:
    return read_settings({**SETTINGS.environment, **environment})


def changed(province: Province, code: str, city: City) -> Province:
    return Province(MappingProxyType({**province.cities, code: city}))


def yangzhou_with(part: str, **values: object) -> Province:
    """The three cities, with one part of 扬州 changed: pbx, queue, or "" for the city itself."""
    province = three_cities()
    city = province.cities["yangzhou"]
    new = {part: dataclasses.replace(getattr(city, part), **values)} if part else values
    return changed(province, "yangzhou", dataclasses.replace(city, **new))


def shape(files: dict[str, str]) -> list[str]:
    """Every line without what stands after its first sign of assignment, comments left out."""
    return [
        f"{name}: {line.partition('=')[0].strip()}"
        for name, text in files.items()
        for line in text.splitlines()
        if line.strip() and not line.startswith(";")
    ]


FILES = render_city(three_cities(), "yangzhou", SETTINGS)


def test_the_files_of_yangzhou_are_the_golden_ones() -> None:
    if os.environ.get("CALLCTL_WRITE_GOLDEN"):
        for old in GOLDEN.glob("*"):
            old.unlink()
        GOLDEN.mkdir(exist_ok=True)
        for name, text in FILES.items():
            (GOLDEN / name).write_text(text, encoding="utf-8")
    assert {path.name: path.read_text(encoding="utf-8") for path in GOLDEN.iterdir()} == FILES


def test_the_order_in_the_toml_files_does_not_matter() -> None:
    province = three_cities()
    city = province.cities["yangzhou"]
    turned = dataclasses.replace(city, trunks=city.trunks[::-1], seats=city.seats[::-1])
    backwards = Province(MappingProxyType(dict(reversed(list(changed(province, "yangzhou", turned).cities.items())))))
    assert render_city(backwards, "yangzhou", SETTINGS) == FILES


def test_no_line_is_written_twice_or_left_open() -> None:
    for name, text in FILES.items():
        assert text.endswith("\n"), name
        assert not text.endswith("\n\n\n"), name
        assert "{{" not in text.replace("${", ""), name
        assert "{%" not in text, name


def test_every_dialplan_line_closes_its_brackets() -> None:
    for name, text in FILES.items():
        if not name.startswith(("cc-", "extensions")):
            continue
        for line in text.splitlines():
            code = line.partition(";")[0]
            for left, right in ("()", "{}", "[]"):
                assert code.count(left) == code.count(right), f"{name}: {line}"


def test_dedicated_seats_are_not_in_the_home_queue() -> None:
    home = FILES["queues.conf"].partition("[q12345]")[2].partition("[cc-seats]")[0]
    assert re.findall(r"member => PJSIP/(\d+)", home) == ["2001", "2002", "2004", "2005"]


def test_a_city_gets_a_support_queue_for_those_it_may_help_only() -> None:
    province = yangzhou_with("lend", helps=("xuzhou",))
    queues = render_city(province, "yangzhou", SETTINGS)["queues.conf"]
    assert re.findall(r"^\[support-(\w+)\]", queues, re.MULTILINE) == ["xuzhou"]


@pytest.mark.parametrize(("version", "commas"), [(18, 8), (20, 8), (21, 7), (22, 7)])
def test_the_place_in_the_queue_is_the_argument_this_version_expects(version: int, commas: int) -> None:
    files = render_city(yangzhou_with("pbx", version=version), "yangzhou", SETTINGS)
    # Queue(name,options,URL,announce,timeout,AGI[,macro],gosub,rule,position): macro went in 21.
    assert f"Queue(${{CC_QUEUE}},cCib(cc-out^s^1){',' * commas}${{CC_POS}})" in files["cc-hotline.conf"]


@pytest.mark.parametrize(("version", "form"), [(18, "eventfilter = Event: "), (22, "eventfilter(action(include)")])
def test_events_are_filtered_in_the_form_this_version_knows(version: int, form: str) -> None:
    manager = render_city(yangzhou_with("pbx", version=version), "yangzhou", SETTINGS)["manager.conf"]
    filters = [line for line in manager.splitlines() if line.startswith("eventfilter")]
    assert filters
    assert all(line.startswith(form) for line in filters)


def test_switches_of_the_queue_reach_the_dialplan() -> None:
    plain = yangzhou_with("queue", record=False, survey=False, offer_callback=False, max_waiting=50)
    files = render_city(plain, "yangzhou", SETTINGS)
    assert "CC_RECORD = 0\nCC_SURVEY = 0\nCC_CALLBACK = 0\n" in files["extensions.conf"]
    assert "CC_MAX_WAITING = 50\n" in files["extensions.conf"]
    assert "monitor-format" not in files["queues.conf"]
    assert "context = cc-keys" not in files["queues.conf"]


def test_positions_are_announced_where_the_city_wants_it() -> None:
    assert "announce-frequency" not in FILES["queues.conf"]
    spoken = render_city(yangzhou_with("queue", announce_position=True), "yangzhou", SETTINGS)
    assert "announce-frequency = 30" in spoken["queues.conf"]


def test_without_a_carrier_nobody_is_called_back() -> None:
    files = render_city(yangzhou_with("pbx", carrier=""), "yangzhou", SETTINGS)
    assert "[pstn]" not in files["pjsip.conf"]
    assert "CC_CALLBACK = 0" in files["extensions.conf"]


def test_a_peer_known_by_name_leaves_no_access_list() -> None:
    files = render_city(yangzhou_with("", trunks=(Trunk("nanjing", "pbx.nanjing.example", 30),)), "yangzhou", SETTINGS)
    assert "[callctl-sip]" not in files["acl.conf"]
    assert "type = acl" not in files["pjsip.conf"]
    assert "match = pbx.nanjing.example" in files["pjsip.conf"]


def test_times_may_be_shorter_for_a_test() -> None:
    files = render_city(three_cities(), "yangzhou", SETTINGS, DEBIAN, AsteriskTimes(rtp_timeout_s=5))
    assert "rtp_timeout = 5\n" in files["pjsip.conf"]


def test_controllers_are_the_only_ones_who_may_log_in() -> None:
    files = render_city(three_cities(), "yangzhou", settings_with(CALLCTL_CONTROLLERS="10.1.2.3, 10.9.0.0/16"))
    listed = files["acl.conf"].partition("[callctl-controllers]")[2]
    assert re.findall(r"^permit = (\S+)", listed, re.MULTILINE) == ["10.1.2.3/32", "10.9.0.0/16"]


def test_a_freeswitch_city_is_refused_and_a_freeswitch_peer_is_a_trunk_like_any_other() -> None:
    province = three_cities()
    city = province.cities["nanjing"]
    mixed = changed(
        province,
        "nanjing",
        dataclasses.replace(city, pbx=dataclasses.replace(city.pbx, kind=PbxKind.FREESWITCH)),
    )
    with pytest.raises(RenderError, match=r"^nanjing: its PBX is freeswitch; this version .* Asterisk only$"):
        render_city(mixed, "nanjing", SETTINGS)
    assert render_city(mixed, "yangzhou", SETTINGS) == FILES


def test_mistakes_name_the_city_and_how_to_mend_them() -> None:
    with pytest.raises(RenderError, match=r"^atlantis: no such city; there are: nanjing, xuzhou, yangzhou$"):
        render_city(three_cities(), "atlantis", SETTINGS)
    with pytest.raises(RenderError, match=r"^yangzhou: pbx.version: Asterisk 16 is not supported: use 18 to 22$"):
        render_city(yangzhou_with("pbx", version=16), "yangzhou", SETTINGS)
    with pytest.raises(RenderError, match=r"^yangzhou: trunk.to: there is no city atlantis"):
        render_city(yangzhou_with("", trunks=(Trunk("atlantis", "127.0.9.9", 1),)), "yangzhou", SETTINGS)
    with pytest.raises(RenderError, match=r"^yangzhou: manager.conf: pbx.ami_host .* is not an IPv4 address"):
        render_city(yangzhou_with("pbx", host="pbx.example"), "yangzhou", SETTINGS)
    with pytest.raises(SettingsError, match="manager password of yangzhou"):
        render_city(three_cities(), "yangzhou", read_settings({"CALLCTL_SIP_SECRET": "a-key-for-the-phones"}))


def test_a_bad_secret_is_refused_and_not_shown() -> None:
    for bad in ("with;comment", "with blank in it", 'with"quote', "back\\slash", "密码密码密码密码密码"):
        with pytest.raises(RenderError, match=r"^yangzhou: manager\.conf: CALLCTL_AMI_SECRET: ") as caught:
            render_city(three_cities(), "yangzhou", settings_with(CALLCTL_AMI_SECRET_YANGZHOU=bad))
        assert bad not in str(caught.value)


# Kinds of lines that a fit value may bring: none so far.
BROUGHT: set[str] = set()
# What a text could try: lines, comments, sections, includes, dialplan signs, and anything else there is.
NASTY = st.text(st.sampled_from("\r\n;[]()<>\"'=>,$\\{}&^|#% ab扬州\0\x85\u2028"), min_size=1, max_size=12) | st.text(
    max_size=30
)


def seats_named(seat: Seat) -> Province:
    return yangzhou_with("", seats=(seat, *three_cities().cities["yangzhou"].seats[1:]))


@given(text=NASTY)
@example(text="话务员\nmember => PJSIP/1")
@example(text="x] \n[evil")
@example(text="a;b")
@settings(max_examples=60, deadline=None)
def test_no_text_can_add_a_line_or_leave_its_place(text: str) -> None:
    first = three_cities().cities["yangzhou"].seats[0]
    attempts = [
        (seats_named(dataclasses.replace(first, name=text)), SETTINGS),
        (seats_named(dataclasses.replace(first, id=text)), SETTINGS),
        (yangzhou_with("queue", notice=text), SETTINGS),
        (yangzhou_with("queue", name=text), SETTINGS),
        (yangzhou_with("pbx", carrier=text), SETTINGS),
        (yangzhou_with("pbx", phones=text), SETTINGS),
        (yangzhou_with("", area_code=text), SETTINGS),
        (yangzhou_with("", trunks=(Trunk("nanjing", text, 30), Trunk("xuzhou", "127.0.12.1", 30))), SETTINGS),
        (changed(three_cities(), "nanjing", dataclasses.replace(three_cities().cities["nanjing"], name_zh=text)), SETTINGS),
        (three_cities(), settings_with(CALLCTL_AMI_SECRET_YANGZHOU=text * 3)),
        (three_cities(), settings_with(CALLCTL_CONTROLLERS=text)),
    ]
    for province, machine in attempts:
        try:
            files = render_city(province, "yangzhou", machine)
        except (RenderError, SettingsError):
            continue
        assert set(places(files)) <= BROUGHT | set(places(FILES)), text
        for name, written in files.items():
            assert all(line.isprintable() for line in written.split("\n")), f"{name}: {text!r}"


def places(files: dict[str, str]) -> list[str]:
    """Keys and kinds of lines, with every name a city may choose taken out."""
    return [re.sub(r"\[[^]]*\]", "[]", re.sub(r"exten => [^,]*", "exten", line)) for line in shape(files)]


def test_a_template_cannot_print_what_nobody_checked(tmp_path: Path) -> None:
    (tmp_path / "x.conf.j2").write_text("a = {{ value }}\n")
    template = environment(str(tmp_path)).get_template("x.conf.j2")
    with pytest.raises(UnfitValue, match="printed without a check"):
        template.render(value="harmless")
    assert template.render(value=5) == "a = 5\n"
