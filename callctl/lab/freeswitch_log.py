"""What a FreeSWITCH says in its own log of the calls its lent agents answered, read independently of callctl.

Format: `… <local date and time> … callctl lent-answered Call=… Home=… Seat=…` (freeswitch_conf/scripts/common.lua).
"""

import re
from datetime import datetime
from pathlib import Path

from callctl.lab.queue_log import Account, LoggedCall

_ANSWERED = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+) .* "
    r"callctl lent-answered Call=(?P<call>\S+) Home=(?P<home>\S+) Seat=(?P<seat>\S+)"
)


def read_lent_log(log: Path, assisted: str, since: float) -> Account:
    """The calls of `assisted` that were answered here since then (epoch). Raises OSError where there is no log."""
    account = Account()
    with log.open(encoding="utf-8", errors="replace") as lines:
        for order, line in enumerate(lines):
            found = _ANSWERED.search(line)
            if found is None or found["home"] != assisted:
                continue
            at = datetime.fromisoformat(found["at"]).timestamp()  # The switch writes this machine's local time.
            if at < since:
                continue
            call = account.calls.setdefault(found["call"], LoggedCall(found["call"], int(at), order))
            call.answered_at, call.answered_by, call.answers = int(at), found["seat"], call.answers + 1
    return account
