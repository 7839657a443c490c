"""What two real FreeSWITCH cities said while the contract suite's stories were told to them (recorded on 1.10.12).

Recorded by tests/pbx/record_esl.py with the rendered configuration. Of slots being opened nothing is heard here: which tier
is whose, only the link knows that opened it.
"""

import pytest

from tests.pbx.cities import ALPHA, BETA
from tests.pbx.esl_replay import events, facts, names, recording, story

STORIES = {
    "pair-fs-break-alpha": ["60001 not ready", "60001 ready"],
    "pair-fs-busy-alpha": ["60001 not ready", "01 waits", "beta/1 rings", "beta/1 busy"],
    "pair-fs-call-back-alpha": ["60001 not ready", "01 waits", "02 waits", "call_back", "01 waits"],
    "pair-fs-home-alpha": [
        "01 waits",
        "phone 60001 ringing",
        "60001 rings",
        "left",
        "60001 answers",
        "phone 60001 busy",
        "60001 ends",
        "phone 60001 free",
    ],
    "pair-fs-hung-up-alpha": ["60001 not ready", "01 waits", "beta/1 rings", "abandoned", "beta/1 unknown"],
    "pair-fs-hung-up-beta": ["61001→alpha rings", "phone 61001 ringing", "61001→alpha unknown", "phone 61001 free"],
    "pair-fs-lost-leg-alpha": [
        "60001 not ready",
        "01 waits",
        "beta/1 rings",
        "left",
        "beta/1 answers",
        "02 waits",
        "beta/1 lost",
        "01 waits again",
        "beta/1 rings",
    ],
    "pair-fs-lost-leg-beta": ["61001→alpha rings", "phone 61001 ringing", "61001→alpha answers", "phone 61001 busy"],
    "pair-fs-moved-alpha": ["60001 not ready", "01 waits", "02 waits", "moved"],
    "pair-fs-moved-beta": [
        "61001→alpha rings",
        "phone 61001 ringing",
        "61001→alpha answers",
        "phone 61001 busy",
        "61001→alpha ends",
        "phone 61001 free",
    ],
    "pair-fs-moved-in-vain-alpha": ["60001 not ready", "01 waits", "02 waits", "moved", "02 waits again"],
    "pair-fs-moved-in-vain-beta": ["61001→alpha rings", "phone 61001 ringing", "61001→alpha no_answer", "phone 61001 free"],
    "pair-fs-no-answer-alpha": ["60001 not ready", "01 waits", "beta/1 rings", "beta/1 no_answer"],
    "pair-fs-no-answer-beta": ["61001→alpha rings", "phone 61001 ringing", "61001→alpha no_answer", "phone 61001 free"],
    "pair-fs-remote-alpha": ["60001 not ready", "01 waits", "beta/1 rings", "left", "beta/1 answers", "beta/1 ends"],
    "pair-fs-remote-beta": [
        "phone 61001 offline",
        "phone 61002 offline",
        "phone 61001 free",
        "61001 ready",
        "phone 61002 free",
        "61002 ready",
        "61001→alpha rings",
        "phone 61001 ringing",
        "61001→alpha answers",
        "phone 61001 busy",
        "61001→alpha ends",
        "phone 61001 free",
    ],
    "pair-fs-score-alpha": [
        "60001 not ready",
        "01 waits",
        "beta/1 rings",
        "left",
        "beta/1 answers",
        "beta/1 ends",
        "score 4",
    ],
    "pair-fs-score-beta": [
        "61001→alpha rings",
        "phone 61001 ringing",
        "61001→alpha answers",
        "phone 61001 busy",
        "61001→alpha ends",
        "phone 61001 free",
    ],
    "pair-fs-signed-off-alpha": [
        "60001 not ready",
        "01 waits",
        "beta/1 rings",
        "beta/1 busy",
        "beta/1 rings",
        "left",
        "beta/1 answers",
    ],
    "pair-fs-signed-off-beta": [
        "phone 61001 offline",
        "phone 61001 free",
        "61001 ready",
        "61001→alpha rings",
        "phone 61001 ringing",
        "61001→alpha answers",
        "phone 61001 busy",
    ],
    "pair-fs-stale-alpha": ["60001 not ready", "01 waits", "beta/1 rings", "beta/1 refused"],
    "pair-fs-trunk-alpha": ["trunk beta down", "trunk beta up"],
    "pair-fs-trunk-beta": ["trunk alpha down", "trunk alpha up"],
}


@pytest.mark.parametrize("name", names("pair-fs-*"))
def test_each_city_tells_its_side_of_the_story(name):
    assert story(ALPHA if name.endswith("alpha") else BETA, name, phones=True) == STORIES[name]


@pytest.mark.parametrize("name", names("pair-fs-*"))
def test_one_segment_at_a_time_gives_the_same_facts(name):
    city, content = ALPHA if name.endswith("alpha") else BETA, recording(name)
    whole = facts(city, events(content), older=False)
    assert facts(city, events(content, list(range(1448, len(content), 1448))), older=False) == whole


def test_a_seat_that_the_switch_itself_puts_on_break_says_so():
    """One switch, no phone; when its module is loaded anew in the end, it begins with the agent logged out."""
    assert story(ALPHA, "told-fs-only-real-alpha", phones=True) == [
        "60001 ready",
        "phone 60001 ringing",
        "60001 not ready Auto-Pause",
        "phone 60001 free",
        "phone 60001 offline",
    ]


def test_both_cities_call_a_lent_call_by_the_same_name():
    for name in ("remote", "moved", "score"):
        here = {getattr(fact, "call", "") for fact in facts(ALPHA, events(recording(f"pair-fs-{name}-alpha")), older=False)}
        there = {getattr(fact, "call", "") for fact in facts(BETA, events(recording(f"pair-fs-{name}-beta")), older=False)}
        assert {call for call in there if call} <= here
