"""How long citizens wait, and how many agents a room needs: the classical formulas of queueing, as plain functions.

Rates are per hour, times in seconds, loads in erlang (calls in progress on average). Published values: tests/core/values.
callctl decides with erlang_a, staff_erlang_a and reserve_for (and what they call). The others are the yardsticks by which
the tests hold the simulator and the policy to theory (tests/sim/test_theory.py, tests/core/test_erlang.py).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

HOUR = 3600.0
_NOTHING = 40.0  # A weight this many powers of e below the greatest one adds nothing.
_STEPS = 600  # Of Simpson's rule, between two such places.


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a citizen meets in a room in steady state. `sl` is the share *served* within the service time limit."""

    p_wait: float
    p_abandon: float
    wait_s: float  # Mean over all callers, those answered at once included.
    queue: float
    occupancy: float
    sl: float


@dataclass(frozen=True, slots=True)
class SharedRoom:
    """A supporting city's own callers while endless outside work fills its idle seats."""

    sl: float  # Share whose turn comes within the service time limit (a patient caller's wait).
    p_wait: float
    lent: float


@dataclass(frozen=True, slots=True)
class ReservedRoom:
    """Own callers and outside calls in a room that keeps agents back for its own."""

    p_wait: float
    p_abandon: float
    wait_s: float
    occupancy: float
    foreign_per_s: float


def erlang_b(n: int, load: float) -> float:
    """Share of calls that find all n lines busy when nobody waits."""
    blocked = 1.0
    for k in range(1, n + 1):
        blocked = load * blocked / (k + load * blocked)
    return blocked


def erlang_c(n: int, calls_per_h: float, aht_s: float, tau_s: float) -> Waiting:
    """M/M/n: everybody waits for ever. ValueError when the load is not below n."""
    load = calls_per_h / HOUR * aht_s
    if load >= n:
        raise ValueError(f"load {load:.2f} is not below {n} agents: the queue has no limit")
    b = erlang_b(n, load)
    p_wait = n * b / (n - load * (1.0 - b))
    drain = (n - load) / aht_s
    wait_s = p_wait / drain
    return Waiting(p_wait, 0.0, wait_s, calls_per_h / HOUR * wait_s, load / n, 1.0 - p_wait * math.exp(-drain * tau_s))


def erlang_a(n: int, calls_per_h: float, aht_s: float, patience_s: float, tau_s: float) -> Waiting:
    """M/M/n+M (Palm; Garnett, Mandelbaum & Reiman 2002): exponential patience."""
    lam, mu, theta = calls_per_h / HOUR, 1.0 / aht_s, 1.0 / patience_s
    blocked = erlang_b(n, lam / mu)
    if blocked < 1e-250:  # Nobody ever meets a full room; beyond, the numbers of a computer end.
        return Waiting(0.0, 0.0, 0.0, 0.0, lam / mu / n, 1.0)
    # log of the weight of "n + i in the system" against "n in the system".
    logs = [0.0]
    peak = 0.0
    while logs[-1] > peak - 50.0:
        logs.append(logs[-1] + math.log(lam / (n * mu + len(logs) * theta)))
        peak = max(peak, logs[-1])
    scaled = [math.exp(x - peak) for x in logs]
    full = math.exp(-peak)  # The weight of "n in the system" on this scale.
    above = sum(scaled)
    total = full / blocked - full + above
    queue = sum(i * w for i, w in enumerate(scaled)) / total
    p_abandon = theta * queue / lam
    served_late_s = _served_within(n, lam, mu, theta, tau_s, peak) / total
    p_wait = above / total
    occupancy = lam * (1.0 - p_abandon) / (n * mu)
    return Waiting(p_wait, p_abandon, queue / lam, queue, occupancy, 1.0 - p_wait + served_late_s)


def _served_within(n: int, lam: float, mu: float, theta: float, tau_s: float, peak: float) -> float:
    """Weight of those who wait and are served within tau: the sum over places in the queue has a closed form in time."""

    def log_density(t: float) -> float:
        return -(n * mu + theta) * t - lam / theta * math.expm1(-theta * t) - peak

    # The logarithm is concave: it has one top, and what lies far below the top, on either side, adds nothing.
    top = min(max(0.0, math.log(lam / (n * mu + theta)) / theta), tau_s)
    least = log_density(top) - _NOTHING
    first, last = _edge(log_density, top, 0.0, least), _edge(log_density, top, tau_s, least)
    h = (last - first) / _STEPS
    weights = (
        math.exp(log_density(first + i * h)) * (1 if i in (0, _STEPS) else 4 if i % 2 else 2) for i in range(_STEPS + 1)
    )
    return n * mu * sum(weights) * h / 3.0


def _edge(curve: Callable[[float], float], top: float, end: float, least: float) -> float:
    """From the top towards an end: the end, or a place before it behind which the curve is below `least`."""
    if curve(end) >= least:
        return end
    inside, outside = top, end
    while abs(outside - inside) > 0.05 * abs(outside - top):
        middle = (inside + outside) / 2.0
        inside, outside = (middle, outside) if curve(middle) >= least else (inside, middle)
    return outside


def staff_for(enough: Callable[[int], bool], at_least: int = 1) -> int:
    """The smallest number of agents for which `enough` holds (it must be monotone).

    In leaps, then halving: a surge of a hundred thousand calls an hour needs thousands.
    """
    n, leap = max(1, at_least), 1
    if enough(n):
        return n
    while not enough(n + leap):
        n, leap = n + leap, 2 * leap
    too_few, plenty = n, n + leap
    while plenty - too_few > 1:
        middle = (too_few + plenty) // 2
        too_few, plenty = (too_few, middle) if enough(middle) else (middle, plenty)
    return plenty


def staff_erlang_c(calls_per_h: float, aht_s: float, target: float, tau_s: float) -> int:
    """Agents so that `target` of the callers are answered within tau, if nobody ever hung up."""
    least = math.floor(calls_per_h / HOUR * aht_s) + 1
    return staff_for(lambda n: erlang_c(n, calls_per_h, aht_s, tau_s).sl >= target, least)


@lru_cache(4096)  # A recommendation asks the same half hour several times; thousands of agents take a tenth of a second.
def staff_erlang_a(calls_per_h: float, aht_s: float, patience_s: float, target: float, tau_s: float) -> int:
    """Agents so that `target` of the callers are answered within tau, hang-ups counted as not answered."""
    return staff_for(lambda n: erlang_a(n, calls_per_h, aht_s, patience_s, tau_s).sl >= target)


def staff_for_abandonment(calls_per_h: float, aht_s: float, patience_s: float, most: float) -> int:
    """Agents so that at most the share `most` of the callers hang up."""
    return staff_for(lambda n: erlang_a(n, calls_per_h, aht_s, patience_s, 0.0).p_abandon <= most)


def staff_square_root(load: float, beta: float) -> int:
    """The quick rule R + beta sqrt(R), rounded up."""
    return math.ceil(load + beta * math.sqrt(load) - 1e-9)


def garnett_p_wait(beta: float, theta_over_mu: float) -> float:
    """Share that waits in a large room with R + beta sqrt(R) agents (Garnett, Mandelbaum & Reiman 2002)."""
    root = math.sqrt(theta_over_mu)
    return 1.0 / (1.0 + root * _hazard(beta / root) / _hazard(-beta))


def _hazard(x: float) -> float:
    """Hazard rate of the standard normal distribution."""
    return math.sqrt(2.0 / math.pi) * math.exp(-x * x / 2.0) / math.erfc(x / math.sqrt(2.0))


def reserve_chain(n: int, load: float, aht_s: float, patience_s: float, r: int) -> ReservedRoom:
    """Endless outside work takes every idle seat beyond r; equal handling times (Gans & Zhou 2003)."""
    lam, mu, theta = load / aht_s, 1.0 / aht_s, 1.0 / patience_s
    floor = n - r
    weights = _birth_death(floor, lambda k: lam, n, mu, theta)
    room = _reserved(weights, floor, n, lam, mu, theta)
    return ReservedRoom(room.p_wait, room.p_abandon, room.wait_s, room.occupancy, weights[0] * floor * mu)


def trunk_reservation(n: int, load: float, foreign_load: float, aht_s: float, patience_s: float, r: int) -> ReservedRoom:
    """Outside calls of a finite load, lost unless more than r agents are idle; equal handling times."""
    lam, mu, theta = load / aht_s, 1.0 / aht_s, 1.0 / patience_s
    foreign = foreign_load / aht_s
    weights = _birth_death(0, lambda k: lam + foreign if k < n - r else lam, n, mu, theta)
    room = _reserved(weights, 0, n, lam, mu, theta)
    return ReservedRoom(room.p_wait, room.p_abandon, room.wait_s, room.occupancy, foreign * sum(weights[: n - r]))


def _birth_death(floor: int, birth: Callable[[int], float], n: int, mu: float, theta: float) -> list[float]:
    """Shares of time with floor, floor + 1, … calls in a room of n agents with impatient callers."""
    weights = [1.0]
    k = floor
    while k <= n or weights[-1] > 1e-16 * max(weights):
        k += 1
        weights.append(weights[-1] * birth(k - 1) / (min(k, n) * mu + max(0, k - n) * theta))
    total = sum(weights)
    return [w / total for w in weights]


def _reserved(weights: Sequence[float], floor: int, n: int, lam: float, mu: float, theta: float) -> ReservedRoom:
    queue = sum((floor + i - n) * w for i, w in enumerate(weights) if floor + i > n)
    busy = sum(min(floor + i, n) * w for i, w in enumerate(weights))
    return ReservedRoom(sum(weights[n - floor :]), theta * queue / lam, queue / lam, busy / n, 0.0)


def room_chain(
    n: int, load: float, quota: int, r: int, aht_s: float, foreign_aht_s: float, patience_s: float, tau_s: float
) -> SharedRoom:
    """Endless outside work, at most `quota` seats lent, r agents kept idle: the room in two dimensions (calls, lent)."""
    if n <= 0:
        return SharedRoom(0.0, 1.0, 0.0)
    lam = max(load, 1e-9) / aht_s
    own, lent, theta = 1.0 / aht_s, 1.0 / foreign_aht_s, 1.0 / patience_s
    floor = max(0, n - r)
    most = max(0, min(quota, floor))
    levels = _room_levels(n, floor, most, lam, own, lent, theta)
    below = 0.0  # Fewer than `floor` calls: only with the whole quota lent; a birth-and-death chain of its own.
    weight = levels[0][most]
    for k in range(floor, most, -1):
        weight *= (k - most) * own / lam
        below += weight
    total = below + sum(map(sum, levels))
    served = _served_in_room(n, most, own, lent, tau_s)
    answered = below
    waiting = 0.0
    for i, level in enumerate(levels):
        ahead = floor + i - n
        if ahead < 0:
            answered += sum(level)
            continue
        waiting += sum(level)
        if ahead < len(served):
            answered += sum(w * f for w, f in zip(level, served[ahead], strict=True))
    mean_lent = (most * below + sum(m * w for level in levels for m, w in enumerate(level))) / total
    return SharedRoom(answered / total, waiting / total, mean_lent)


def _room_levels(n: int, floor: int, most: int, lam: float, own: float, lent: float, theta: float) -> list[list[float]]:
    """Unnormalised weights [calls - floor][lent].

    Above `floor` a lent seat that comes back is not lent again, so the number lent only falls there: each number's column
    is a birth-and-death chain fed by the column of one more, solved from the fullest room downwards. Cost: levels x quota.
    """
    top, tail = n + 1, 1.0
    while tail > 1e-9 and top < n + 400:
        tail *= lam / (n * min(own, lent) + (top - n) * theta)
        top += 1
    height = top - floor
    levels = [[0.0] * (most + 1) for _ in range(height + 1)]
    fed = [0.0] * (height + 2)  # Weights of the column of one more lent seat.
    lowest = 1.0
    for m in range(most, -1, -1):
        down = [max(0, min(floor + i, n) - m) * own + max(0, floor + i - n) * theta for i in range(height + 1)]
        column = _column(lowest, down, [(m + 1) * lent * weight for weight in fed], lam, m * lent)
        for i, weight in enumerate(column):
            levels[i][m] = weight
        if m:
            # At the floor: an own call ends, more than r are idle, one more seat is lent at once (m grows only here).
            inflow = column[1] * down[1] + fed[1] * (m + 1) * lent
            out = lam + ((floor - m) * own if m < most else 0.0)
            lowest = max(0.0, lowest * out - inflow) / ((floor - m + 1) * own)
        fed = [*column, 0.0]
    return levels


def _column(lowest: float, down: list[float], inflow: list[float], lam: float, back: float) -> list[float]:
    """One column of the chain from its lowest weight: x[i] = fixed[i] + share[i] * x[i - 1], found from the top."""
    top = len(down) - 1
    fixed, share = [0.0] * (top + 1), [0.0] * (top + 1)
    for i in range(top, 0, -1):
        out, more = down[i] + back + (lam if i < top else 0.0), inflow[i + 1]
        if i < top:
            out -= down[i + 1] * share[i + 1]
            more += down[i + 1] * fixed[i + 1]
        fixed[i], share[i] = more / out, lam / out
    column = [lowest]
    for i in range(1, top + 1):
        column.append(fixed[i] + share[i] * column[-1])
    return column


def _served_in_room(n: int, most: int, own: float, lent: float, tau_s: float) -> list[list[float]]:
    """[ahead][lent] -> chance of more than `ahead` departures within tau, at the pace of the mix the caller finds.

    Those in front are taken to be patient: the truth is better by up to 0.7 points, so the reserve errs for the room.
    """
    places = 20 + math.ceil(4.0 * n * max(own, lent) * tau_s)  # Further back nobody is served in time.
    columns = []
    for m in range(most + 1):
        mean = ((n - m) * own + m * lent) * tau_s
        term = math.exp(-mean)
        more, column = 1.0 - term, []
        for ahead in range(places):
            column.append(max(0.0, more))
            term *= mean / (ahead + 1)
            more -= term
        columns.append(column)
    return [list(row) for row in zip(*columns, strict=True)]


def reserve_for(
    n: int,
    load: float,
    quota: int,
    target: float,
    aht_s: float,
    foreign_aht_s: float,
    patience_s: float,
    tau_s: float,
    guess: int = 1,
) -> int:
    """The fewest agents to keep idle so that own callers keep their service level although all the rest is lent.

    `guess` only saves time: where the answer is near it, three chains are enough. n where not even all would do.
    """

    def enough(r: int, lent: int = quota) -> bool:
        return room_chain(n, load, lent, r, aht_s, foreign_aht_s, patience_s, tau_s).sl >= target

    low, high, step = -1, max(0, min(guess, n)), 1  # Not enough, enough.
    if high < n and not enough(high):
        if not enough(0, 0):
            return n  # Not even alone: everybody is needed at home.
        while high < n and (low == -1 or not enough(high)):
            low, high, step = high, min(n, high + step), 2 * step
    else:
        while high > 0 and enough(max(0, high - step)):
            high, step = max(0, high - step), 2 * step
        low = max(-1, high - step)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def load_after_steps(calls_per_h: Iterable[float], bin_s: float, aht_s: float, start: float = 0.0) -> list[float]:
    """Modified offered load at the end of each bin of a stepwise arrival rate, exponential handling time."""
    keep = math.exp(-bin_s / aht_s)
    loads, load = [], start
    for rate in calls_per_h:
        load = load * keep + rate / HOUR * aht_s * (1.0 - keep)
        loads.append(load)
    return loads


def load_of_sinus(mean_per_h: float, amplitude_per_h: float, period_s: float, aht_s: float, at_s: float) -> float:
    """Modified offered load under mean + amplitude sin(2 pi t / period): the rate's curve, lower and one AHT later."""
    turn = 2.0 * math.pi / period_s
    lag_s = math.atan(turn * aht_s) / turn
    factor = 1.0 / math.hypot(1.0, turn * aht_s)
    return (mean_per_h + amplitude_per_h * factor * math.sin(turn * (at_s - lag_s))) / HOUR * aht_s
