"""Placeholder until the controller is merged."""

from collections.abc import Callable, Mapping

from callctl.core.model import Province
from callctl.pbx.port import PbxLink
from callctl.store.port import History, Registry


class Controller:
    """The loop."""

    def __init__(
        self,
        province: Province,
        links: Mapping[str, PbxLink],
        registry: Registry,
        history: History,
        now: Callable[[], float],
        holder: str,
    ) -> None: ...

    async def run(self) -> None:
        """Observe, plan, act, until cancelled."""
