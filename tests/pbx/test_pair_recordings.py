"""What two real cities said while the contract suite's stories were told to them (recorded on Asterisk 22.10.1)."""

import pytest

from tests.pbx.cities import ALPHA, BETA
from tests.pbx.replay import messages, recording, story

STORIES = {
    "pair-no-answer-alpha": ["60001 not ready", "slot beta/1 open", "01 waits", "beta/1 rings", "beta/1 no_answer"],
    "pair-no-answer-beta": ["61001→alpha t5 lent", "61001→alpha rings", "61001→alpha no_answer"],
    # The second time with another token: the name stays, and the PBX says again what is so already.
    "pair-opened-twice-alpha": [
        "slot beta/1 open",
        "slot beta/1 open",
        "slot beta/1 closed closed",
        "slot beta/1 closed closed",
    ],
    "pair-stale-alpha": [
        "60001 not ready",
        "slot beta/1 open",
        "01 waits",
        "beta/1 rings",
        "slot beta/1 closed Auto-Pause",
        "beta/1 refused",
    ],
    # A peer that dies while it rings is told as nobody answering; only the next attempt finds the trunk down.
    "pair-peer-killed-in-ring-alpha": [
        "60001 not ready",
        "slot beta/1 open",
        "01 waits",
        "beta/1 rings",
        "trunk beta down",
        "beta/1 no_answer",
        "beta/1 rings",
        "slot beta/1 closed Auto-Pause",
        "beta/1 unreachable",
    ],
    "pair-home-killed-in-talk-beta": [
        "61001→alpha t5 lent",
        "61001→alpha rings",
        "61001→alpha answers",
        "61001→alpha ends",
        "trunk alpha down",
    ],
    # app_queue tells a withdrawn caller as abandoned; the dialplan says the truth at once.
    "pair-moved-answered-alpha": ["60001 not ready", "01 waits", "02 waits", "abandoned", "moved", "score 3"],
    "pair-moved-answered-beta": [
        "61001→alpha t5 lent",
        "61001→alpha rings",
        "61001→alpha answers",
        "61001→alpha ends",
    ],
}


@pytest.mark.parametrize("name", STORIES)
def test_the_recording_is_told_as_what_happened(name: str) -> None:
    city = ALPHA if name.endswith("alpha") else BETA
    assert story(city, name) == STORIES[name]
    assert not [message.fields for message in messages(recording(name)) if message.forged]
