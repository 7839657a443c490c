"""Phones in the browser: what the PBX's files say where a seat's phone is the console's page, and where none is."""

import dataclasses

import pytest

from callctl.core.model import Province
from callctl.render.asterisk import render_city
from callctl.render.values import RenderError
from tests.render.test_asterisk import FILES, SETTINGS, changed, yangzhou_with


def with_a_browser_seat(**pbx: object) -> Province:
    province = yangzhou_with("pbx", **{"browser_port": 8089, "browsers": "10.32.15.0/24", **pbx})
    city = province.cities["yangzhou"]
    first, *rest = city.seats
    return changed(
        province, "yangzhou", dataclasses.replace(city, seats=(dataclasses.replace(first, in_browser=True), *rest))
    )


def section(text: str, head: str) -> list[str]:
    """The lines of one section."""
    every = text.splitlines()
    lines = every[next(n for n, line in enumerate(every) if line.split(";")[0].strip() == head) + 1 :]
    end = next((n for n, line in enumerate(lines) if line.startswith("[")), len(lines))
    return [line.split(";")[0].strip() for line in lines[:end] if line.split(";")[0].strip()]


def test_without_browser_phones_the_web_server_stays_shut() -> None:
    assert section(FILES["http.conf"], "[general]") == ["enabled = no"]
    assert "websocket" not in FILES["modules.conf"]
    assert "icesupport = no" in FILES["rtp.conf"]
    assert "browser" not in FILES["pjsip.conf"]


def test_only_the_chosen_seat_is_a_browser_phone() -> None:
    files = render_city(with_a_browser_seat(), "yangzhou", SETTINGS)
    chosen, other = (seat.id for seat in with_a_browser_seat().cities["yangzhou"].seats[:2])
    assert f"[{chosen}](browser-seat)" in files["pjsip.conf"]
    assert f"[{other}](seat)" in files["pjsip.conf"]
    endpoint = section(files["pjsip.conf"], "[browser-seat](!)")
    assert {"webrtc = yes", "context = cc-from-agent", "acl = callctl-browsers", "allow_transfer = no"} <= set(endpoint)
    assert "load = res_pjsip_transport_websocket.so" in files["modules.conf"]
    assert "icesupport = yes" in files["rtp.conf"]


def test_the_pbx_speaks_tls_to_browsers_and_offers_nothing_else() -> None:
    lines = section(render_city(with_a_browser_seat(), "yangzhou", SETTINGS)["http.conf"], "[general]")
    host = with_a_browser_seat().cities["yangzhou"].pbx.host
    assert {"enabled = no", "tlsenable = yes", f"tlsbindaddr = {host}:8089", "enable_static = no"} <= set(lines)


def test_behind_a_proxy_the_pbx_speaks_plain_to_it() -> None:
    files = render_city(with_a_browser_seat(browser_tls=False), "yangzhou", SETTINGS)
    lines = section(files["http.conf"], "[general]")
    assert "enabled = yes" in lines
    assert not any(line.startswith("tls") for line in lines)
    assert "protocol = ws" in section(files["pjsip.conf"], "[browser-transport]")


def test_browsers_come_only_from_their_network() -> None:
    files = render_city(with_a_browser_seat(), "yangzhou", SETTINGS)
    assert section(files["acl.conf"], "[callctl-browsers]")[-1] == "permit = 10.32.15.0/24"
    assert "permit = 10.32.15.0/24" in section(files["acl.conf"], "[callctl-sip]")


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(RenderError, match=r"pbx\.browsers"):
        render_city(with_a_browser_seat(browsers="10.0.0.0/24\npermit = 0.0.0.0/0"), "yangzhou", SETTINGS)
