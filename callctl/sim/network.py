"""A simulated PBX for every city of a province, wired together."""

from collections.abc import Callable

from callctl.core.model import Province
from callctl.sim.parts import SimTiming
from callctl.sim.pbx import SimPbx


def build_network(province: Province, now: Callable[[], float], timing: SimTiming | None = None) -> dict[str, SimPbx]:
    """A simulated PBX for every city, wired together."""
    network: dict[str, SimPbx] = {}
    network.update(dict.fromkeys(province.cities))  # type: ignore[arg-type]  # Every PBX knows the names of all.
    for code, city in province.cities.items():
        network[code] = SimPbx(city, network, now, timing or SimTiming())
    return network
