"""Chance that depends on who calls and on nothing else: every policy meets the same citizens.

A caller's key and the number of the attempt give 64 bits; groups of these bits choose patience, talk, wrap-up and redial.
Distributions are tables of quantiles, so that a draw costs one look-up.
"""

import math
import random
from collections.abc import Callable, Mapping
from functools import lru_cache
from statistics import NormalDist
from typing import Any

BITS = 14
SIZE = 1 << BITS
MASK = SIZE - 1
WORD = (1 << 64) - 1
_STEP, _MULTIPLIER = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93  # SplitMix64's step; Feldman's 64-bit mixer.


def mixed(key: int, number: int) -> int:
    """64 well-mixed bits from a key of 64 bits and a small number."""
    x = (key + number * _STEP) & WORD
    x = ((x ^ x >> 32) * _MULTIPLIER) & WORD
    x = ((x ^ x >> 32) * _MULTIPLIER) & WORD
    return x ^ x >> 32


def stream(*key: object) -> random.Random:
    """A generator of its own for one purpose, from words and numbers; the same on every machine and Python."""
    return random.Random("/".join(map(str, key)))


def _exp(spec: Mapping[str, Any]) -> Callable[[float], float]:
    mean = float(spec["mean"])
    return lambda u: -mean * math.log1p(-u)


def _lognorm(spec: Mapping[str, Any]) -> Callable[[float], float]:
    variance = math.log1p(float(spec["cv"]) ** 2)
    normal = NormalDist(math.log(float(spec["mean"])) - variance / 2.0, math.sqrt(variance) or 1e-12)
    return lambda u: math.exp(normal.inv_cdf(u))


def _weibull(spec: Mapping[str, Any]) -> Callable[[float], float]:
    shape = float(spec["shape"])
    scale = float(spec["mean"]) / math.gamma(1.0 + 1.0 / shape)
    return lambda u: scale * (-math.log1p(-u)) ** (1.0 / shape)


def _solved(cdf: Callable[[float], float], pdf: Callable[[float], float]) -> Callable[[float], float]:
    """Quantiles asked for in rising order: Newton from the one before, halving where a step leaves the bracket."""
    found = 0.0

    def quantile(u: float) -> float:
        nonlocal found
        low, high = found, max(1.0, 2.0 * found)
        while cdf(high) < u:
            low, high = high, high * 2.0
        x = low
        for _ in range(60):
            error, slope = cdf(x) - u, pdf(x)
            low, high = (x, high) if error < 0.0 else (low, x)
            step = x - error / slope if slope > 0.0 else high
            step = step if low < step < high else (low + high) / 2.0
            if abs(step - x) <= 1e-12 * step:
                break
            x = step
        found = step
        return step

    return quantile


def _erlang(spec: Mapping[str, Any]) -> Callable[[float], float]:
    mean, k = float(spec["mean"]), int(spec["k"])

    def cdf(x: float) -> float:
        rate, term, total = k * x / mean, 1.0, 1.0
        for i in range(1, k):
            term *= rate / i
            total += term
        return 1.0 - math.exp(-rate) * total

    def pdf(x: float) -> float:
        return k / mean * math.exp((k - 1) * math.log(k * x / mean) - k * x / mean - math.lgamma(k)) if x > 0.0 else 0.0

    return _solved(cdf, pdf)


def _hyper(spec: Mapping[str, Any]) -> Callable[[float], float]:
    mean, p, m1 = float(spec["mean"]), float(spec["p"]), float(spec["m1"])
    m2 = (mean - p * m1) / (1.0 - p)
    return _solved(
        lambda x: 1.0 - p * math.exp(-x / m1) - (1.0 - p) * math.exp(-x / m2),
        lambda x: p / m1 * math.exp(-x / m1) + (1.0 - p) / m2 * math.exp(-x / m2),
    )


# Words of a distribution besides `dist`, and its quantiles.
FAMILIES: dict[str, tuple[frozenset[str], Callable[[Mapping[str, Any]], Callable[[float], float]] | None]] = {
    "exp": (frozenset({"mean"}), _exp),
    "det": (frozenset({"mean"}), None),
    "lognorm": (frozenset({"mean", "cv"}), _lognorm),
    "erlang": (frozenset({"mean", "k"}), _erlang),
    "weibull": (frozenset({"mean", "shape"}), _weibull),
    "hyper": (frozenset({"mean", "p", "m1"}), _hyper),
}


@lru_cache(maxsize=64)
def _table(words: tuple[tuple[str, Any], ...]) -> tuple[float, ...]:
    """The values for a mean of 1."""
    spec = dict(words)
    build = FAMILIES[spec["dist"]][1]
    if build is None:
        return (1.0,) * SIZE
    quantile = build(spec)
    values = [quantile((i + 0.5) / SIZE) for i in range(SIZE)]
    scale = SIZE / sum(values)  # The far tail lies beyond the last quantile: keep the mean exact.
    return tuple(value * scale for value in values)


def table(spec: Mapping[str, Any]) -> tuple[float, ...]:
    """SIZE equally likely values of a distribution, smallest first."""
    return _scaled(tuple(sorted(spec.items())))


@lru_cache(maxsize=128)  # Half a megabyte each; a province has five or six a city.
def _scaled(words: tuple[tuple[str, Any], ...]) -> tuple[float, ...]:
    spec = dict(words)
    mean = float(spec["mean"])
    if mean <= 0.0:
        return (0.0,) * SIZE
    unit = {word: value for word, value in spec.items() if word != "m1"} | {"mean": 1.0}
    if "m1" in spec:
        unit["m1"] = float(spec["m1"]) / mean
    return tuple(mean * value for value in _table(tuple(sorted(unit.items()))))
