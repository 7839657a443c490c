"""The calls a FreeSWITCH city answered for another one, as its own log has them."""

from datetime import datetime
from pathlib import Path

from callctl.lab.freeswitch_log import read_lent_log

AT = "2026-11-26 08:49:57"
NOON = datetime.fromisoformat(AT).timestamp()
LINE = "41a0-uuid {at}.621650 96.67% [NOTICE] switch_cpp.cpp:1466 callctl {words}\n"


def log(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "freeswitch.log"
    path.write_text("".join(lines), encoding="utf-8")
    return path


def said(call: str, home: str = "yangzhou", action: str = "lent-answered", at: str = AT) -> str:
    return LINE.format(at=at, words=f"{action} Call={call} Home={home} Seat=1303")


def test_each_answered_call_of_the_assisted_city_is_counted_once(tmp_path: Path) -> None:
    path = log(tmp_path, said("yangzhou-1.2"), said("yangzhou-1.3"), said("yangzhou-1.2"), "another line 徐州\n")
    calls = read_lent_log(path, "yangzhou", NOON - 1).calls
    assert {call: logged.answers for call, logged in calls.items()} == {"yangzhou-1.2": 2, "yangzhou-1.3": 1}
    assert {logged.answered_by for logged in calls.values()} == {"1303"}


def test_others_rings_and_earlier_calls_are_not(tmp_path: Path) -> None:
    path = log(
        tmp_path,
        said("nanjing-1.2", home="nanjing"),
        said("yangzhou-1.2", action="lent-ringing"),
        said("yangzhou-1.3", at="2026-11-26 08:00:00"),
    )
    assert read_lent_log(path, "yangzhou", NOON - 1).calls == {}
