"""What the wallboard says of a picture: the figures, and 未知 for everything nobody knows."""

from typing import Any

import pytest

from callctl.core.day import Asked
from callctl.core.outlook import outlook
from callctl.province import read_province
from callctl.settings import shipped
from callctl.web.shown.board import PLACES, Alarm, Board, Figures, board
from callctl.web.shown.flows import arcs
from callctl.web.shown.show import Show
from callctl.web.words import EN, ZH, Words
from tests.web.published import SUPPORT, Scene

NOW = 1_790_000_000.0
PROVINCE = read_province(shipped("queues").parent)
FIGURES = Figures(
    {"yangzhou": Asked(200, 120, 30, 5, {15: 80, 20: 100, 30: 130})}, {"yangzhou": Asked(100, 70, 0, 0, {15: 60})}
)


def scene_of(picture: dict[str, Any] | None, cities: frozenset[str] | None = None, age_s: float = 0.5) -> dict[str, Any]:
    """What the feed tells of a picture of this age."""
    alive = picture is not None and age_s <= 5
    shown = outlook(PROVINCE, picture if alive else None, cities)
    return {
        **shown,
        "age_s": None if picture is None else age_s,
        "registry_answers": True,
        "controller_alive": alive,
        "now": NOW,
    }


def seen(scene: Scene | None = None, figures: Figures = FIGURES, cities: frozenset[str] | None = None) -> Board:
    made = scene or Scene(PROVINCE)
    return board(scene_of(made.picture(NOW), cities), PROVINCE, figures, NOW)


def tile(shown: Board, code: str) -> Any:
    return next(one for one in shown.tiles if one.code == code)


def kinds(shown: Board) -> list[str]:
    return [alarm.kind for alarm in shown.alarms]


def test_the_assisted_city_shows_its_queue_its_help_and_its_rate_with_the_denominator() -> None:
    yangzhou = tile(seen(), "yangzhou")
    assert (yangzhou.waiting, yangzhou.longest_wait_s, yangzhou.assistance) == (9, 83.0, "acting")
    assert {lent.city: (lent.ready, lent.talking) for lent in yangzhou.lent_in} == SUPPORT
    assert Show(Words(ZH)).rate(yangzhou.today) == "75% (150/200)"
    assert Show(Words(ZH)).rates(yangzhou.today) == "40%/50%/65%"


def test_flows_count_the_calls_in_progress_and_what_is_open_for_more() -> None:
    flows = {flow.supporting: (flow.talking, flow.ready) for flow in seen().flows}
    assert flows == {city: (in_use, slots - in_use) for city, (slots, in_use) in SUPPORT.items()}


def test_the_event_line_tells_day_seats_share_and_gain() -> None:
    [event] = seen().events
    assert (event.assisted, event.day, event.state) == ("yangzhou", 5, "acting")
    assert event.seats_lent == sum(slots for slots, _ in SUPPORT.values())
    assert event.seats_planned == event.seats_lent + len(SUPPORT)
    assert event.share == pytest.approx(30 / 150)
    assert event.gain_points == pytest.approx(5.0)


def test_a_city_that_is_not_heard_shows_no_figure_at_all() -> None:
    shown = seen(Scene(PROVINCE, lost={"huaian": "connection refused"}))
    huaian = tile(shown, "huaian")
    assert not huaian.up
    assert [huaian.waiting, huaian.longest_wait_s, huaian.lent_out, huaian.lent_in] == [None] * 4
    assert set(huaian.seats.values()) == {None}
    assert "city_lost" in kinds(shown)


def test_an_old_picture_is_no_picture() -> None:
    shown = board(scene_of(Scene(PROVINCE).picture(NOW - 60), age_s=60.0), PROVINCE, FIGURES, NOW)
    assert not shown.live
    assert all(one.waiting is None and set(one.seats.values()) == {None} for one in shown.tiles)
    assert shown.flows == shown.events == shown.trunks == ()
    assert kinds(shown) == ["controller_silent"]


def test_nothing_published_yet_is_told_as_such() -> None:
    assert kinds(board(scene_of(None), PROVINCE, Figures(), NOW)) == ["no_controller"]


def test_lost_figures_are_unknown_and_never_nought() -> None:
    yangzhou = tile(seen(figures=Figures()), "yangzhou")
    assert yangzhou.today is None
    assert Show(Words(ZH)).rate(yangzhou.today) == "未知"
    [event] = seen(figures=Figures()).events
    assert (event.share, event.gain_points) == (None, None)


def test_a_lost_history_is_an_alarm_whatever_else_is_lost_and_one_not_asked_yet_is_none() -> None:
    assert "history_lost" in kinds(seen(figures=Figures(lost=True)))
    assert kinds(board(scene_of(None), PROVINCE, Figures(lost=True), NOW)) == ["no_controller", "history_lost"]
    assert "history_lost" not in kinds(seen(figures=Figures()))


def test_a_rate_is_never_rounded_up_to_a_hundred() -> None:
    full = Figures({"yangzhou": Asked(10_000, 9_999, 0, 0, {})})
    assert Show(Words(ZH)).rate(tile(seen(figures=full), "yangzhou").today) == "99.9% (9999/10000)"


def test_a_supervisor_sees_the_own_city_in_full_and_of_others_only_that_they_are_there() -> None:
    shown = seen(cities=frozenset({"yangzhou"}))
    assert tile(shown, "yangzhou").waiting == 9
    suzhou = tile(shown, "suzhou")
    assert not suzhou.own
    assert (suzhou.waiting, suzhou.talking, suzhou.lent_out, set(suzhou.seats.values())) == (None, None, None, {None})
    assert shown.events[0].seats_lent == sum(slots for slots, _ in SUPPORT.values())


def test_a_dead_trunk_and_a_full_one_are_alarms() -> None:
    shown = seen(Scene(PROVINCE, trunks_down={("taizhou", "yangzhou")}))
    assert Alarm("alarm", "trunk_down", "taizhou", "yangzhou") in shown.alarms


def test_every_city_of_jiangsu_has_a_place_and_no_two_tiles_overlap() -> None:
    assert set(PLACES) == set(PROVINCE.cities)
    for one, (x, y) in PLACES.items():
        assert 0 <= x <= 40
        assert 0 <= y <= 41
        for other, (other_x, other_y) in PLACES.items():
            assert one == other or abs(x - other_x) >= 10 or abs(y - other_y) >= 9, f"{one} lies on {other}"


def test_an_arrow_ends_at_the_edge_of_the_helped_city() -> None:
    shown = seen()
    for arc in arcs(shown.flows, {one.code: one.place for one in shown.tiles}):
        place = PLACES[arc.flow.assisted]
        tip = arc.head.removeprefix("M").split("L")[0].split()
        x, y = float(tip[0]) / 20, float(tip[1]) / 16  # The drawing is 1000 by 800, the field 50 by 50.
        assert abs(x - place[0] - 5) == pytest.approx(5, abs=0.6) or abs(y - place[1] - 4.5) == pytest.approx(4.5, abs=0.6)


@pytest.mark.parametrize("language", [ZH, EN])
def test_every_alarm_has_its_sentence_in_both_languages(language: str) -> None:
    shown = seen(Scene(PROVINCE, lost={"huaian": "refused"}, trunks_down={("taizhou", "yangzhou")}))
    told = [Show(Words(language)).alarm(PROVINCE, alarm) for alarm in shown.alarms]
    assert len(told) == len(set(told)) > 3
    assert not any("{" in text for text in told)
