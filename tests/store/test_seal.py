"""Sealed fields: nothing in clear on any disk, equal numbers found, another key told, changed texts refused."""

import hashlib
from pathlib import Path

import pytest
from sqlalchemy import select

from callctl.settings import SettingsError, read_settings
from callctl.store.history import SqlHistory
from callctl.store.schema import open_engine
from callctl.store.seal import AesSeal, Clear, SmSeal, Unsealable, normal, read_seal
from callctl.store.spool import Spool
from callctl.store.tables import calls, journal
from tests.store.facts import T0, Y, answered_home, name, reading

KEY = b"0123456789abcdef0123456789abcdef"
SM3 = "sm3" in hashlib.algorithms_available
SEALS = [AesSeal(KEY), pytest.param(SmSeal(KEY) if SM3 else None, marks=pytest.mark.skipif(not SM3, reason="no SM3 here"))]


@pytest.mark.parametrize("seal", SEALS)
def test_what_is_sealed_opens_again_and_shows_nothing(seal) -> None:
    for text in ("13800000001", "张三，扬州市广陵区", "\ud800", "x" * 5000):
        closed = seal.close(text, "call-1")
        assert text not in closed
        assert seal.open(closed) == text
        assert seal.close(text, "call-1") == closed  # A doubled fact stays equal.
        assert seal.close(text, "call-2") != closed
    assert seal.close("", "x") == ""
    assert seal.close(closed, "x") == closed  # Never twice.
    assert seal.open("13800000001") == "13800000001"  # Written before there was a key.


@pytest.mark.parametrize("seal", SEALS)
def test_equal_numbers_are_found_and_only_with_the_key(seal) -> None:
    closed = seal.close("+8613800000001", "a")
    assert seal.caller(closed) == seal.caller("13800000001") == Clear().caller(closed)
    assert seal.caller("13800000002") != seal.caller("13800000001")
    assert type(seal)(KEY[::-1]).caller("13800000001") != seal.caller("13800000001")
    assert seal.caller("") == ""


@pytest.mark.parametrize("seal", SEALS)
def test_another_key_and_a_changed_text_are_refused(seal) -> None:
    closed = seal.close("13800000001", "a")
    with pytest.raises(Unsealable):
        type(seal)(KEY[::-1]).open(closed)
    flipped = closed[:-8] + ("A" if closed[-8] != "A" else "B") + closed[-7:]
    with pytest.raises(Unsealable):
        seal.open(flipped)
    with pytest.raises(Unsealable, match="no field key"):
        Clear().open(closed)


def test_a_number_is_one_caller_however_it_is_written() -> None:
    assert {normal(text) for text in ("+86 138 0000 0001", "008613800000001", "13800000001")} == {"13800000001"}
    assert normal("+86 0514 8765 4321") == "051487654321"
    assert normal("861234") == "861234"


def test_the_settings_choose_the_provider_and_a_bad_key_is_told(tmp_path: Path) -> None:
    def settings(**more: str):
        return read_settings({"CALLCTL_STATE": str(tmp_path), "CALLCTL_PROVINCE": str(tmp_path), **more})

    assert isinstance(read_seal(settings()), Clear)
    assert isinstance(read_seal(settings(CALLCTL_FIELD_KEY=KEY.decode())), AesSeal)
    with pytest.raises(SettingsError, match="at least 32"):
        read_seal(settings(CALLCTL_FIELD_KEY="tooshortkey"))
    with pytest.raises(SettingsError, match="aes or sm"):
        read_seal(settings(CALLCTL_FIELD_KEY=KEY.decode(), CALLCTL_FIELD_CIPHER="rot13"))
    if SM3:
        assert isinstance(read_seal(settings(CALLCTL_FIELD_KEY=KEY.decode(), CALLCTL_FIELD_CIPHER="sm")), SmSeal)


async def test_no_table_and_no_spool_holds_a_number_in_clear_and_the_call_is_one_all_the_same(
    sql_url: str, tmp_path: Path
) -> None:
    seal = AesSeal(KEY)
    engine = open_engine(sql_url)
    history = SqlHistory(engine, Spool(tmp_path / "spool"), seal=seal)
    lost = SqlHistory(open_engine(f"sqlite+aiosqlite:///{tmp_path}"), Spool(tmp_path / "lost"), seal=seal)
    for fact in [*answered_home(1, T0, T0 + 10), *answered_home(1, T0, T0 + 10), reading(T0 + 5, {2: T0 + 1})]:
        history.record(fact)
        lost.record(fact)
    await history.flush()
    await lost.flush()
    async with engine.connect() as connection:
        rows = (await connection.execute(select(calls).order_by(calls.c.call))).mappings().all()
        bodies = (await connection.execute(select(journal.c.body))).scalars().all()
    assert [row["call"] for row in rows] == [name(1), name(2)]
    assert [seal.open(row["number"]) for row in rows] == ["13800000001", "13800000002"]
    assert rows[0]["caller"] == seal.caller("13800000001")
    spooled = "".join(path.read_text() for path in (tmp_path / "lost").glob("*.jsonl"))
    assert spooled
    assert "1380000000" not in "".join([*bodies, *map(str, rows), spooled])
    assert sum("CallWaiting" in body for body in bodies) == 1  # The doubled fact is one fact.
    assert rows[0]["city"] == Y
    await lost.close()
    await history.close()
