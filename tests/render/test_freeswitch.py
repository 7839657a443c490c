"""What a FreeSWITCH admin gets from `callctl render`: always the same bytes, well-formed, no value out of its place.

After a wanted change of freeswitch_conf/, write the golden files anew and read the difference:
    CALLCTL_WRITE_GOLDEN=1 pytest tests/render; git diff tests/render/golden_freeswitch
"""

import configparser
import dataclasses
import os
import re
import shutil
import subprocess
from pathlib import Path
from types import MappingProxyType
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callctl.core.model import City, PbxKind, Province
from callctl.render import city as any_kind
from callctl.render.freeswitch import render_city
from callctl.render.values import RenderError, UnfitValue, allowed, xml_secret
from callctl.settings import Settings, shipped
from tests.provinces import three_cities
from tests.render.test_asterisk import SETTINGS, settings_with

GOLDEN = Path(__file__).parent / "golden_freeswitch"


def with_freeswitch(part: str = "pbx", **values: object) -> Province:
    """The three cities, 扬州 with FreeSWITCH, and one part of it changed: pbx, queue, or "" for the city itself."""
    province = three_cities()
    city = province.cities["yangzhou"]
    city = dataclasses.replace(city, pbx=dataclasses.replace(city.pbx, kind=PbxKind.FREESWITCH, ami_port=8021))
    if values:
        new = {part: dataclasses.replace(getattr(city, part), **values)} if part else values
        city = dataclasses.replace(city, **new)
    return Province(MappingProxyType({**province.cities, "yangzhou": city}))


def rendered(province: Province, settings: Settings = SETTINGS) -> dict[str, str]:
    return render_city(province, "yangzhou", settings)


FILES = rendered(with_freeswitch())


def test_the_files_of_yangzhou_are_the_golden_ones() -> None:
    if os.environ.get("CALLCTL_WRITE_GOLDEN"):
        shutil.rmtree(GOLDEN, ignore_errors=True)
        for name, text in FILES.items():
            (GOLDEN / name).parent.mkdir(parents=True, exist_ok=True)
            (GOLDEN / name).write_text(text, encoding="utf-8")
    golden = (path for path in GOLDEN.rglob("*") if path.is_file())
    assert {str(path.relative_to(GOLDEN)): path.read_text(encoding="utf-8") for path in golden} == FILES


@pytest.mark.parametrize(
    ("ended", "lost"),
    [
        ("MEDIA_TIMEOUT ", True),
        ("NORMAL_TEMPORARY_FAILURE Q.850;cause=41", True),
        ('NORMAL_CLEARING SIP;cause=701;text="SYSTEM_SHUTDOWN"', True),
        ('NORMAL_CLEARING SIP;cause=703;text="MANAGER_REQUEST"', True),
        ("NORMAL_CLEARING ", False),
        ("NORMAL_CLEARING Q.850;cause=16", False),
    ],
)
def test_a_talk_that_ended_so_was_lost(ended: str, lost: bool) -> None:
    """What the dialplan looks at: how the bridge ended, and the Reason that the other city gave."""
    dialplan = ElementTree.fromstring(FILES["dialplan/20_hotline.xml"])
    [rule] = [rule for rule in dialplan.iter("extension") if rule.get("name") == "after-leg-lost"]
    [(field, expression)] = [
        (condition.get("field", ""), condition.get("expression", ""))
        for condition in rule.iter("condition")
        if "last_bridge_hangup_cause" in condition.get("field", "")
    ]
    assert field == "${last_bridge_hangup_cause} ${sip_reason}"
    assert bool(re.search(expression, ended)) is lost


def test_the_order_in_the_toml_files_does_not_matter() -> None:
    city = with_freeswitch().cities["yangzhou"]
    turned = dataclasses.replace(city, trunks=city.trunks[::-1], seats=city.seats[::-1])
    cities = {**with_freeswitch().cities, "yangzhou": turned}
    assert rendered(Province(MappingProxyType(dict(reversed(list(cities.items())))))) == FILES


@pytest.mark.parametrize(
    "queue", [{}, {"record": False, "survey": False, "offer_callback": False, "pause_unanswered": True}]
)
def test_every_file_is_well_formed(tmp_path: Path, queue: dict[str, object]) -> None:
    """By the parser that FreeSWITCH's admins use, not only by Python's."""
    xmllint = shutil.which("xmllint")
    assert xmllint, "scripts/setup installs it (libxml2-utils)"
    for name, text in rendered(with_freeswitch("queue", **queue)).items():
        if name.endswith(".lua"):
            continue
        # A file of dialplan contexts is a piece of a document, as X-PRE-PROCESS includes it.
        body = re.sub(r"^<\?xml[^>]*\?>", "", text)
        path = tmp_path / name.replace("/", "-")
        path.write_text(f"<piece>{body}</piece>", encoding="utf-8")
        said = subprocess.run([xmllint, "--noout", str(path)], capture_output=True, text=True, check=False)
        assert said.returncode == 0, f"{name}: {said.stderr}"


def test_every_script_that_is_named_is_there_and_no_other() -> None:
    named = {match for text in FILES.values() for match in re.findall(r"scripts/(\w+\.lua)", text)}
    there = {name.removeprefix("scripts/") for name in FILES if name.startswith("scripts/")}
    assert named == there


def test_every_step_a_call_is_sent_to_exists() -> None:
    """`transfer` to an extension that is not there would end the citizen's call."""
    contexts = {}
    for name, text in FILES.items():
        if name.startswith("dialplan/"):
            for context in ElementTree.fromstring(f"<p>{text}</p>").iter("context"):
                contexts[context.get("name")] = context
    steps = 0
    for context in contexts.values():
        for action in context.iter():
            data = action.get("data", "")
            if action.get("application") not in {"transfer", "execute_extension"} or data.startswith("${"):
                continue
            extension, _, target = data.split()
            patterns = [c.get("expression", "") for c in contexts[target].iter("condition")]
            assert any(re.search(pattern, extension) for pattern in patterns if pattern.startswith("^")), data
            steps += 1
    assert steps > 10


def test_no_context_but_public_and_hotline_knows_the_carrier() -> None:
    """No way from another city, or from a phone, to the public network."""
    cities = FILES["dialplan/30_cities.xml"]
    assert "gateway" not in cities
    assert "carrier" not in re.sub(r"<!--.*?-->", "", cities, flags=re.S)
    applications = set(re.findall(r'application="(\w+)"', cities))
    assert applications == {"set", "set_profile_var", "transfer", "respond", "lua"}
    for name, text in FILES.items():
        if name.endswith(".lua"):
            assert "gateway/carrier" not in text, name


def test_each_other_city_has_its_own_list_context_and_gateway() -> None:
    for other in ("nanjing", "xuzhou"):
        assert f'<list name="city-{other}" default="deny">' in FILES["autoload_configs/acl.conf.xml"]
        assert f'value="city-{other}:city-{other}"' in FILES["sip_profiles/city.xml"]
        assert f'<gateway name="trunk-{other}">' in FILES["sip_profiles/city.xml"]
        assert f'<context name="city-{other}">' in FILES["dialplan/30_cities.xml"]
        assert f"channels_{other}=" in FILES["vars.xml"]


def test_a_city_without_a_carrier_offers_no_call_back_and_lets_nobody_call() -> None:
    files = rendered(with_freeswitch("pbx", carrier=""))
    whole = "\n".join(files.values())
    assert "callback-dial" not in whole
    assert 'name="carrier"' not in whole
    assert "carrier:public" not in whole


def test_a_dedicated_seat_is_no_agent_of_the_home_queue() -> None:
    callcenter = FILES["autoload_configs/callcenter.conf.xml"]
    seats = three_cities().cities["yangzhou"].seats
    for seat in seats:
        assert f'<agent name="{seat.id}"' in callcenter
        assert (f'agent="{seat.id}" level="1"' in callcenter) == (seat.lend.value != "dedicated")


def test_a_secret_is_escaped_and_cannot_leave_its_attribute() -> None:
    files = rendered(with_freeswitch(), settings_with(CALLCTL_AMI_SECRET_YANGZHOU="a<b>&'c'-longer"))
    param = ElementTree.fromstring(files["autoload_configs/event_socket.conf.xml"]).find(".//param[@name='password']")
    assert param is not None
    assert param.get("value") == "a<b>&'c'-longer"


@pytest.mark.parametrize(
    "secret", ["${api}xxxxx", "$${domain}xx", "pass$word1", "a}bcdefgh", 'quo"tedxx', "semi;colon", "new\nline12"]
)
def test_a_secret_that_freeswitch_could_misread_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(UnfitValue) as refused:
        xml_secret(secret, "CALLCTL_AMI_SECRET")
    assert secret not in str(refused.value)
    assert "choose another password" in str(refused.value)


@given(st.text(min_size=8, max_size=79))
def test_no_secret_breaks_the_xml_or_looks_like_a_variable(secret: str) -> None:
    try:
        written = xml_secret(secret, "x")
    except UnfitValue:
        return
    assert ElementTree.fromstring(f'<a b="{written}"/>').get("b") == secret
    assert not set("${}\n") & set(written)


def evil(city: City) -> list[tuple[str, Province]]:
    """The city with one value after the other that an XML file or FreeSWITCH could misread."""
    bad = '"/><X-PRE-PROCESS cmd="exec" data="id"/>'
    made = []
    for part, key in (("queue", "name"), ("queue", "notice"), ("pbx", "host"), ("pbx", "carrier"), ("pbx", "phones")):
        for value in (bad, "${system(id)}", "a\nb", "a;b", "a,b=c"):
            made.append((f"{part}.{key}", with_freeswitch(part, **{key: value})))
    for value in (bad, "${system(id)}", "$${domain}", "a\nb", "扬,州", "扬=州", "<州>"):
        others = with_freeswitch().cities
        named = dataclasses.replace(others["nanjing"], name_zh=value)
        made.append(("name_zh", Province(MappingProxyType({**others, "nanjing": named}))))
    return made


@pytest.mark.parametrize(("key", "province"), evil(three_cities().cities["yangzhou"]))
def test_a_value_that_could_be_misread_is_refused_with_its_key(key: str, province: Province) -> None:
    with pytest.raises(RenderError, match=re.escape(key)):
        rendered(province)


def test_an_announced_position_is_refused_with_what_to_do() -> None:
    with pytest.raises(RenderError, match=r"announce_position: .* set it to false"):
        rendered(with_freeswitch("queue", announce_position=True))


def test_either_kind_is_written_by_one_command() -> None:
    assert any_kind.render_city(with_freeswitch(), "yangzhou", SETTINGS) == FILES
    assert "pjsip.conf" in any_kind.render_city(with_freeswitch(), "nanjing", SETTINGS)
    with pytest.raises(RenderError, match=r"its PBX is asterisk, not freeswitch"):
        render_city(with_freeswitch(), "nanjing", SETTINGS)


def test_a_machine_known_by_name_gets_a_line_that_freeswitch_looks_up() -> None:
    assert allowed("10.1.2.3", "trunk.host") == '<node type="allow" cidr="10.1.2.3/32"/>'
    assert allowed("sbc.example.cn", "trunk.host") == '<node type="allow" host="sbc.example.cn" mask="255.255.255.255"/>'


def test_an_installed_callctl_brings_every_template() -> None:
    """setup.cfg lists the folders one by one; setuptools does not descend."""
    listed = configparser.ConfigParser()
    listed.read(shipped("setup.cfg"), encoding="utf-8")
    patterns = [(key, value) for key, value in listed["options.data_files"].items() if "freeswitch_conf" in key]
    brought = {path for _, pattern in patterns for path in shipped("freeswitch_conf").parent.glob(pattern)}
    assert {path for path in shipped("freeswitch_conf").rglob("*") if path.is_file()} == {p for p in brought if p.is_file()}


def test_the_templates_are_shipped() -> None:
    templates = [path for path in shipped("freeswitch_conf").rglob("*") if path.suffix in {".xml", ".j2", ".lua"}]
    assert {str(path.relative_to(shipped("freeswitch_conf"))).removesuffix(".j2") for path in templates} == set(FILES)
