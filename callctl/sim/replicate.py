"""Many runs at once: every policy with every seed, spread over processes; the results come back in a fixed order."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from callctl import clock, log
from callctl.sim.full import FULL, run_full
from callctl.sim.outcome import Outcome, run_once
from callctl.sim.scenario import Scenario

Done = Callable[[], None]


def hush() -> None:
    """What a simulated controller would log is nobody's news. Every process that runs one begins with this."""
    log.set_up("console", clock.now, level=logging.CRITICAL)


def seeds_of(scenario: Scenario, number: int) -> list[int]:
    """The scenario's own seed and the ones after it."""
    return [scenario.seed + i for i in range(number)]


def replicate(
    scenario: Scenario,
    policies: Sequence[str],
    seeds: Sequence[int],
    processes: int | None = None,
    done: Done | None = None,
) -> dict[str, list[Outcome]]:
    """Outcomes by policy, in the order of the seeds. `done` is called after each run."""
    tasks = [(scenario, policy, seed) for seed in seeds for policy in policies]
    results: dict[str, list[Outcome]] = {policy: [] for policy in policies}
    for outcome in _outcomes(tasks, processes or os.cpu_count() or 1):
        results[outcome.policy].append(outcome)
        if done:
            done()
    return results


def _outcomes(tasks: list[tuple[Scenario, str, int]], processes: int) -> Iterator[Outcome]:
    if processes == 1 or len(tasks) == 1:
        if any(policy == FULL for _, policy, _ in tasks):
            hush()
        yield from map(_run, tasks)
        return
    # Spawned, not forked: the caller may have threads. Fewer processes than runs cost nothing to start.
    with ProcessPoolExecutor(min(processes, len(tasks)), get_context("spawn"), hush) as pool:
        yield from pool.map(_run, tasks)


def _run(task: tuple[Scenario, str, int]) -> Outcome:
    scenario, policy, seed = task
    return run_full(scenario, seed) if policy == FULL else run_once(scenario, policy, seed)
