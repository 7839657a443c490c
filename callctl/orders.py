"""The orders of one PBX on their way: one at a time, in order, a bounded number, heartbeats first."""

import asyncio
from collections import deque
from collections.abc import Iterable

from callctl.core.commands import Order, RenewHeartbeat

QUEUED_MOST = 500  # More than a plan can want of one PBX; beyond it the PBX is too slow and the plan too old.


class OrderQueue:
    """Orders waiting for one PBX."""

    def __init__(self) -> None:
        self._orders: deque[Order] = deque()
        self._filled = asyncio.Event()

    def put(self, orders: Iterable[Order]) -> list[Order]:
        """Queue them; those that found no room are given back, to be planned anew."""
        refused: list[Order] = []
        for order in orders:
            if isinstance(order, RenewHeartbeat):
                if not (self._orders and isinstance(self._orders[0], RenewHeartbeat)):
                    self._orders.appendleft(order)
            elif len(self._orders) < QUEUED_MOST:
                self._orders.append(order)
            else:
                refused.append(order)
        if self._orders:
            self._filled.set()
        return refused

    def clear(self) -> list[Order]:
        """Empty it; what was in it."""
        dropped = list(self._orders)
        self._orders.clear()
        return dropped

    async def next(self) -> Order:
        """The next order, once there is one."""
        while not self._orders:
            self._filled.clear()
            await self._filled.wait()
        return self._orders.popleft()
