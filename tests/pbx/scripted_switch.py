"""A FreeSWITCH that answers as a test tells it to: silent, late, wrong, half dead or hostile."""

from collections.abc import Callable, Mapping

from tests.pbx import mod_callcenter as cc
from tests.pbx.esl_server import EslServer, event_frame

Reply = Callable[[str], bytes | None]  # The whole command to its answer; None for no answer.

COUNTED = {"Event-Name": "CUSTOM", "Event-Subclass": "callcenter::info", "CC-Action": "members-count", "CC-Count": "1"}


class ScriptedSwitch(EslServer):
    """Answers every command of a link sensibly, and `+OK` to all else, until told otherwise."""

    def __init__(self, clock: Callable[[], float] = lambda: 1000.0) -> None:
        super().__init__()
        self.clock = clock
        self.answers: dict[str, Reply] = {  # By how the command begins; the longest one counts.
            "strmicroepoch": lambda _: b"%d" % round(clock() * 1e6),
            "uptime": lambda _: b"40\n",
            "show": lambda _: b'{"row_count":0}\n',
            "sofia profile": lambda _: b"trunk-xuzhou carrier ",
        }

    def execute(self, command: str) -> bytes | None:
        fitting = [start for start in self.answers if command.startswith(start)]
        return self.answers[max(fitting, key=len)](command) if fitting else b"+OK\n"

    def count(self, command: str) -> int:
        return sum(asked.startswith(f"api {command}") for asked in self.asked)

    def say_counted(self, *counts: str) -> None:
        """Events that can be told apart, to everybody who is connected."""
        self.write(b"".join(event_frame({**COUNTED, "CC-Count": count}) for count in counts))

    def say_callcenter(self, headers: Mapping[str, str], at: float) -> None:
        """What mod_callcenter said at that time."""
        self.say(cc.event("callcenter::info", headers, "yangzhou", at, 1))
