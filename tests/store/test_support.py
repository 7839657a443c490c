"""What supporting cities gave, and how long the queue was."""

from hypothesis import given
from hypothesis import strategies as st

from callctl.store.support import longest_queues

ENDS = (10, 20, 30)


@given(st.lists(st.tuples(st.integers(0, 29), st.integers(0, 30)), max_size=25))
def test_the_longest_queues_are_those_of_looking_at_every_moment(stays: list[tuple[int, int]]) -> None:
    spans = [(came, came + waited) for came, waited in stays]
    found = longest_queues(sorted(came for came, _ in spans), sorted(went for _, went in spans), ENDS)
    for number, end in enumerate(ENDS):
        begin = end - 10
        assert found[number] == max(sum(came <= at < went for came, went in spans) for at in range(begin, end))


def test_an_hour_in_which_nobody_came_has_those_who_were_still_waiting() -> None:
    assert longest_queues([1, 2, 3], [4, 12, 25], ENDS) == [3, 2, 1]
    assert longest_queues([], [], ENDS) == [0, 0, 0]
