"""The tables of the history: what a supervisor, a report and an auditor can ask afterwards. SQLite or PostgreSQL.

Times are UTC; in Python they are seconds since the epoch, as everywhere in callctl. NULL means: nobody saw it.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
    text,
)
from sqlalchemy.engine import Dialect


class Utc(TypeDecorator[float]):
    """A moment: seconds since the epoch in Python, a UTC timestamp (microseconds) in the database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> datetime | None:
        """SQLite keeps no zone: it gets the UTC wall time."""
        if value is None:
            return None
        moment = datetime.fromtimestamp(value, UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any, dialect: Dialect) -> float | None:
        """Back to seconds."""
        if value is None:
            return None
        moment: datetime = value if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.timestamp()


Key = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only for INTEGER.

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Every fact, as it came, once: `mark` is a digest of its text. All other tables about calls can be told again from here.
journal = Table(
    "journal",
    metadata,
    Column("id", Key, Identity(), primary_key=True),
    Column("mark", String(32), nullable=False, unique=True),
    Column("at", Utc, nullable=False),
    Column("city", String, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("call", String),  # NULL: not about one call.
    Column("body", Text, nullable=False),  # JSON, store/codec.py.
    Index(None, "city", "at"),
    Index(None, "call"),
)

# Of calls; as it stands: with a bound value no database would see that the index fits.
NUMBERED = text("number <> ''")

# One row a citizen's call, at its home city.
calls = Table(
    "calls",
    metadata,
    Column("call", String, primary_key=True),
    Column("city", String, nullable=False),
    Column("number", String, nullable=False),  # In clear, or sealed (store/seal.py).
    Column("caller", String(64), nullable=False, server_default=""),  # Whose call, for searching: store/seal.py.
    Column("asked_at", Utc, nullable=False),  # First arrival, or where that is not known, when it was first seen.
    Column("first_arrival", Utc),
    Column("left_at", Utc),
    Column("state", String(16), nullable=False),  # core/story.py State.
    Column("open", Boolean(create_constraint=False), nullable=False),  # More is to come.
    Column("outcome", String(16)),  # answered, abandoned, call_back, not_reached, moved, refused, left, cut_off; or NULL.
    Column("waited_s", Double),  # All stays in the queue together.
    Column("answered_at", Utc),  # This and the next five: of the last conversation.
    Column("by_city", String),
    Column("by_seat", String),  # NULL with a by_slot: the supporting city was not seen.
    Column("by_slot", Integer),
    Column("ended_at", Utc),
    Column("talked_s", Double),
    Column("requeues", Integer, nullable=False),
    Column("called_back", Boolean(create_constraint=False), nullable=False, server_default=false()),
    Column("score", Integer),
    Column("seen_from", String(16), nullable=False),  # events, reading (something was missed), log, supporting.
    Index(None, "city", "asked_at"),
    Index(None, "open", "city"),
    Index(None, "asked_at"),
    Index(None, "caller", "asked_at"),
    # The oldest call that still has its number: years of blanked ones stand before it.
    Index("ix_calls_numbered", "city", "asked_at", sqlite_where=NUMBERED, postgresql_where=NUMBERED),
)

# One row a stay in the home queue.
waits = Table(
    "waits",
    metadata,
    Column("call", String, primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("city", String, nullable=False),
    Column("entered_at", Utc),
    Column("left_at", Utc),
    Column("waited_s", Double),
    Column("gone_at", Utc),  # A reading no longer showed it; how and when it left is not known.
    Index(None, "city", "entered_at"),
)

# One row a seat or slot that was rung for a call, as the PBX of `city` saw it: who, when, how it ended.
legs = Table(
    "legs",
    metadata,
    Column("call", String, primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("city", String, nullable=False),
    Column("side", String(8), nullable=False),  # home, slot (at the assisted city), lent (at the supporting city).
    Column("seat", String),
    Column("assisted", String),
    Column("supporting", String),
    Column("slot", Integer),
    Column("rung_at", Utc),
    Column("answered_at", Utc),
    Column("ended_at", Utc),
    # talked, lost (died in mid-talk), cancelled (the caller left, or another answered first), no_answer, busy, trunk_full,
    # unreachable, refused, unknown; NULL: not seen.
    Column("how", String(16)),
    Column("talked_s", Double),
    Column("gone_at", Utc),
    Index(None, "city", "rung_at"),
)

# One row a loan of a seat.
loans = Table(
    "loans",
    metadata,
    Column("city", String, primary_key=True),
    Column("seat", String, primary_key=True),
    Column("token", BigInteger, primary_key=True, autoincrement=False),
    Column("assisted", String, nullable=False),
    Column("lent_at", Utc),
    Column("returned_at", Utc),
    Column("gone_at", Utc),  # A reading no longer showed it.
    Column("seen_from", String(16), nullable=False),
    Index(None, "assisted", "lent_at"),
)

surveys = Table(
    "surveys",
    metadata,
    Column("call", String, primary_key=True),
    Column("city", String, nullable=False),
    Column("at", Utc, nullable=False),
    Column("score", Integer, nullable=False),
    Index(None, "city", "at"),
)

# One row a press of a button, written before it takes effect. Never changed, never deleted by callctl.
audit = Table(
    "audit",
    metadata,
    Column("id", Key, Identity(), primary_key=True),
    Column("request", String, unique=True),  # NULL where the caller gave none.
    Column("at", Utc, nullable=False),
    Column("who", String, nullable=False),
    Column("from_where", String, nullable=False),
    Column("what", String, nullable=False),
    Column("city", String, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("chain", String(64)),  # Digest over this row and the chain before it: store/chain.py.
    Index(None, "at"),
)

# Assistance events, switches and quotas as of each version.
wishes = Table(
    "wishes",
    metadata,
    Column("id", Key, Identity(), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("at", Utc, nullable=False),
    Column("audit_id", Key, ForeignKey("audit.id")),
    Column("body", Text, nullable=False),  # JSON, store/codec.py.
    Index(None, "version", unique=True),  # Of two desks that write at once, the second is told.
)
