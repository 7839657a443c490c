"""The formulas give the published values (values/queueing.json names their source)."""

import json
from pathlib import Path
from typing import Any

import pytest

from callctl.core import erlang

VALUES: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "values" / "queueing.json").read_text("utf-8")
)


def rows(name: str) -> Any:
    return pytest.mark.parametrize("row", VALUES[name], ids=lambda row: "-".join(str(v) for v in list(row.values())[:5]))


@rows("erlang_b")
def test_erlang_b_as_published(row: dict[str, float]) -> None:
    assert erlang.erlang_b(int(row["n"]), row["a"]) == pytest.approx(row["b"], rel=1e-9)


@rows("erlang_c")
def test_erlang_c_as_published(row: dict[str, float]) -> None:
    got = erlang.erlang_c(int(row["n"]), row["calls_per_h"], row["aht_s"], row["tau_s"])
    assert (got.p_wait, got.wait_s, got.sl, got.occupancy) == pytest.approx(
        (row["pw"], row["asa_s"], row["sl"], row["occ"]), rel=1e-9
    )


def test_erlang_c_refuses_a_load_nobody_can_serve() -> None:
    with pytest.raises(ValueError, match="not below 10 agents"):
        erlang.erlang_c(10, 150, 240, 15)


@rows("erlang_a")
def test_erlang_a_as_published(row: dict[str, float]) -> None:
    got = erlang.erlang_a(int(row["n"]), row["calls_per_h"], row["aht_s"], row["patience_s"], row["tau_s"])
    assert (got.p_wait, got.p_abandon, got.wait_s, got.queue, got.occupancy, got.sl) == pytest.approx(
        (row["pw"], row["pab"], row["ew_s"], row["eq"], row["occ"], row["sl"]), rel=1e-8
    )


@rows("staffing")
def test_staffing_as_published(row: dict[str, float]) -> None:
    calls, aht, patience = row["calls_per_h"], row["aht_s"], row["patience_s"]
    assert erlang.staff_erlang_c(calls, aht, 0.80, 15) == row["erlC_80_15"]
    assert erlang.staff_erlang_a(calls, aht, patience, 0.80, 15) == row["erlA_80_15"]
    assert erlang.staff_erlang_a(calls, aht, patience, 0.95, 15) == row["erlA_95_15"]
    assert erlang.staff_for_abandonment(calls, aht, patience, 0.05) == row["erlA_aband5"]
    assert erlang.staff_square_root(row["load"], 0) == row["sqrt_beta0"]
    assert erlang.staff_square_root(row["load"], 1) == row["sqrt_beta1"]


@rows("garnett")
def test_garnett_function_as_published(row: dict[str, float]) -> None:
    assert erlang.garnett_p_wait(row["beta"], row["theta_over_mu"]) == pytest.approx(row["pw"], rel=1e-9)


@rows("reserve_chain")
def test_reserve_chain_as_published(row: dict[str, float]) -> None:
    got = erlang.reserve_chain(int(row["n"]), row["load"], row["aht_s"], row["patience_s"], int(row["r"]))
    assert (got.p_wait, got.wait_s, got.p_abandon, got.occupancy, got.foreign_per_s) == pytest.approx(
        (row["pw"], row["ew"], row["pab"], row["occ"], row["foreign"]), rel=1e-8
    )


@rows("trunk_reservation")
def test_trunk_reservation_as_published(row: dict[str, float]) -> None:
    got = erlang.trunk_reservation(int(row["n"]), row["load"], row["foreign_load"], 240, 180, int(row["r"]))
    assert (got.p_wait, got.wait_s, got.p_abandon, got.occupancy, got.foreign_per_s) == pytest.approx(
        (row["pw"], row["ew"], row["pab"], row["occ"], row["foreign"]), rel=1e-8
    )


@rows("shared_room")
def test_room_chain_as_published(row: dict[str, float]) -> None:
    got = erlang.room_chain(
        int(row["n"]),
        row["load"],
        int(row["quota"]),
        int(row["r"]),
        row["aht_s"],
        row["foreign_aht_s"],
        180,
        row["tau_s"],
    )
    assert (got.sl, got.p_wait, got.lent) == pytest.approx((row["sl"], row["pw"], row["lent"]), abs=5e-6)


@rows("reserve_level_80_15")
def test_reserve_level_as_published(row: dict[str, float]) -> None:
    assert erlang.reserve_for(int(row["n"]), row["load"], int(row["quota"]), 0.80, 240, 240, 180, 15) == row["r"]


@rows("mol_sinus")
def test_load_follows_a_sinus_of_arrivals_about_one_handling_time_later(row: dict[str, float]) -> None:
    period_s = row["period_h"] * 3600
    args = (row["mean_per_h"], row["amp_per_h"], period_s, row["aht_s"])
    assert erlang.load_of_sinus(*args, 0.0) == pytest.approx(row["m_at_0"], rel=1e-9)
    assert erlang.load_of_sinus(*args, period_s / 4) == pytest.approx(row["m_at_quarter"], rel=1e-9)


def test_load_of_steps_settles_at_rate_times_handling_time() -> None:
    loads = erlang.load_after_steps([360.0] * 8, 900, 240)
    assert loads[-1] == pytest.approx(24.0, rel=1e-6)
    assert loads[0] == pytest.approx(24.0 * (1 - 0.0235177458560091), rel=1e-9)


def test_more_reserve_never_hurts_the_own_callers() -> None:
    levels = [erlang.room_chain(20, 15, 10, r, 240, 264, 180, 15).sl for r in range(12)]
    assert levels == sorted(levels)


def test_room_with_no_quota_is_the_plain_room() -> None:
    room = erlang.room_chain(20, 17, 0, 3, 240, 240, 180, 15)
    plain = erlang.erlang_a(20, 255, 240, 180, 15)
    assert room.p_wait == pytest.approx(plain.p_wait, rel=1e-6)
    assert room.lent == 0
