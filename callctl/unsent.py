"""Emergency stops that SQL could not take yet: kept on this machine's disk, and written to the audit when SQL is back."""

import json
import os
from dataclasses import asdict
from pathlib import Path

from callctl.store.port import AuditEntry

FILE = "audit-unsent.jsonl"
SENDING = "audit-sending.jsonl"


class UnsentAudit:
    """A file of audit entries, one JSON a line. Several processes of this machine may use it at once."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._sending = folder / SENDING

    def keep(self, entry: AuditEntry) -> None:
        """Put the entry on disk for good. Raises OSError."""
        line = json.dumps(asdict(entry), ensure_ascii=False) + "\n"
        # One write of one line in append mode: lines of two processes do not mix.
        handle = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, line.encode())
            os.fsync(handle)
        finally:
            os.close(handle)

    def take(self) -> list[AuditEntry]:
        """The kept entries; they stay on disk until sent() is called, also when this process dies before."""
        try:
            if not self._sending.exists():
                self._file.rename(self._sending)
            lines = self._sending.read_text(encoding="utf-8").splitlines()
        except OSError:  # Nothing kept, or just sent by another; or not readable by this user: the service will send it.
            return []
        return [AuditEntry(**json.loads(line)) for line in lines if line.endswith("}")]

    def sent(self) -> None:
        """The taken entries are in the audit."""
        self._sending.unlink(missing_ok=True)
