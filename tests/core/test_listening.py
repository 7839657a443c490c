"""Permits to listen: given while somebody waits for one, taken back when their time is over, forgotten in the end."""

from dataclasses import replace

from callctl.core.commands import ForbidListening, PermitListening
from callctl.core.events import PbxObserved
from callctl.core.fold import fold
from callctl.core.listening import ASKED_WITHIN_S, KEPT_S, PERMITTED_S, How, Listening, due
from callctl.core.world import World, unseen
from tests.small_province import small_province

NOW = 1_790_000_000.0
PROVINCE = small_province()
ASKED = Listening("0a1b", "yangzhou", "2002", "2001", How.WHISPER, "li", NOW)
GRANTED = replace(ASKED, granted_at=NOW + 1.0)
PERMIT = PermitListening("yangzhou", "0a1b", "2002", "2001", "whisper", PERMITTED_S)
FORBID = ForbidListening("yangzhou", "0a1b", "2002", "2001", "whisper")


def world() -> World:
    return fold(unseen(PROVINCE), [PbxObserved("yangzhou", NOW, (), (), (), (), (), ())])


def test_what_was_asked_for_is_permitted_until_the_leader_has_given_up() -> None:
    assert due(world(), [ASKED], NOW) == ([PERMIT], [])
    assert due(world(), [ASKED], NOW + ASKED_WITHIN_S) == ([PERMIT], [])
    assert due(world(), [ASKED], NOW + ASKED_WITHIN_S + 0.1) == ([], ["0a1b"])


def test_a_permit_is_taken_back_when_its_minute_is_over_and_not_before() -> None:
    assert due(world(), [GRANTED], NOW + 1.0 + PERMITTED_S) == ([], [])
    assert due(world(), [GRANTED], NOW + 1.1 + PERMITTED_S) == ([FORBID], [])


def test_of_a_pbx_that_is_away_nothing_is_asked_and_in_the_end_it_is_forgotten() -> None:
    away = unseen(PROVINCE)
    assert due(away, [ASKED, GRANTED], NOW) == ([], [])
    assert due(away, [GRANTED], NOW + KEPT_S) == ([], [])
    assert due(away, [GRANTED], NOW + KEPT_S + 0.1) == ([], ["0a1b"])


def test_a_city_that_left_the_data_folders_is_no_trouble() -> None:
    assert due(world(), [replace(ASKED, city="atlantis")], NOW) == ([], [])
