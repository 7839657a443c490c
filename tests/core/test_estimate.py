"""Each estimator against its published value, or against a stream whose truth is known."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from callctl.core import estimate

VALUES: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "values" / "queueing.json").read_text("utf-8")
)


@pytest.mark.parametrize("row", VALUES["ql_a"])
def test_wait_by_place_in_the_queue_as_published(row: dict[str, float]) -> None:
    ahead, n, aht = int(row["ahead"]), int(row["n"]), row["aht_s"]
    assert estimate.wait_ql(ahead, n, aht) == pytest.approx(row["ql_s"], rel=1e-9)
    assert estimate.wait_qla(ahead, n, aht, row["patience_s"]) == pytest.approx(row["qla_s"], rel=1e-9)


@pytest.mark.parametrize("row", VALUES["gamma_poisson"])
def test_forecast_corrected_by_counting_as_published(row: dict[str, float]) -> None:
    got = estimate.gamma_poisson(row["prior_mean"], row["prior_weight_s"], int(row["count"]), row["window_s"])
    assert (got.mean, got.sd) == pytest.approx((row["post_mean"], row["post_sd"]), rel=1e-9)


def test_wait_without_agents_is_infinite() -> None:
    assert estimate.wait_qla(0, 0, 240, 180) == float("inf")


def test_wait_of_the_head_and_of_the_last_answered() -> None:
    last = estimate.LastWait()
    last.answered(41.0)
    assert (estimate.wait_hol(None, 50), estimate.wait_hol(13.0, 50), last.wait_s) == (0, 37, 41)


def test_answer_rate_finds_a_steady_rate_and_keeps_a_floor() -> None:
    rate = estimate.AnswerRate()
    for second in range(0, 2000, 4):
        rate.answered(float(second))
    assert rate.per_s(1998.0, 0, 240) == pytest.approx(0.25, rel=0.03)
    assert rate.per_s(9999.0, 24, 240) == pytest.approx(0.03)


def test_patience_is_found_although_most_callers_are_answered_before_they_hang_up() -> None:
    draws, patience = random.Random(1), estimate.Patience(mean_s=60.0, every=400)
    for _ in range(4000):
        turn, limit = draws.uniform(0, 120), draws.expovariate(1 / 180)
        patience.waited(min(turn, limit), limit < turn)
    assert patience.mean_s == pytest.approx(180, rel=0.12)


def test_handling_time_moves_a_fifth_per_twenty_calls() -> None:
    handling = estimate.HandlingTime(mean_s=240.0, known=True)
    for _ in range(20):
        handling.finished(340.0)
    assert handling.mean_s == pytest.approx(260.0)


def test_the_first_twenty_calls_take_the_place_of_a_guessed_handling_time() -> None:
    handling = estimate.HandlingTime(mean_s=240.0)
    for _ in range(19):
        handling.finished(340.0)
    assert (handling.known, handling.mean_s) == (False, 240.0)
    handling.finished(340.0)
    assert (handling.known, handling.mean_s) == (True, pytest.approx(340.0))


def test_surge_is_seen_within_three_minutes_and_an_ordinary_hour_is_none() -> None:
    draws = random.Random(2)
    arrivals, t, false_alarms = estimate.Arrivals(0.05, 0.0), 0.0, 0
    while t < 3600:
        t += draws.expovariate(0.05)
        arrivals.arrived(t)
        false_alarms += arrivals.surging(t)
    assert false_alarms <= 2
    assert arrivals.rate(t).mean == pytest.approx(0.05, rel=0.2)
    arrivals.new_forecast(0.05, t)
    start = t
    while not arrivals.surging(t):
        t += draws.expovariate(0.25)
        arrivals.arrived(t)
    assert t - start < 180
