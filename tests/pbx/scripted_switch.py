"""A FreeSWITCH that answers as a test tells it to: silent, late, wrong, half dead or hostile."""

from collections.abc import Callable

from tests.pbx.esl_server import EslServer, event_frame

Reply = Callable[[str], bytes | None]  # The whole command to its answer; None for no answer.

COUNTED = {"Event-Name": "CUSTOM", "Event-Subclass": "callcenter::info", "CC-Action": "members-count", "CC-Count": "1"}


class ScriptedSwitch(EslServer):
    """Answers `+OK` to every api command, until told otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, Reply] = {}  # By how the command begins; the longest one counts.

    def execute(self, command: str) -> bytes | None:
        fitting = [start for start in self.answers if command.startswith(start)]
        return self.answers[max(fitting, key=len)](command) if fitting else b"+OK\n"

    def count(self, command: str) -> int:
        return sum(asked.startswith(f"api {command}") for asked in self.asked)

    def say_counted(self, *counts: str) -> None:
        """Events that can be told apart, to everybody who is connected."""
        self.write(b"".join(event_frame({**COUNTED, "CC-Count": count}) for count in counts))
