"""The tables of the records: counters, wrap-up notes and order stubs, call-backs, reports, holds. Beside store/tables.py.

Personal fields are sealed where a field key is set (store/seal.py). Text columns that hold JSON say so.
"""

from sqlalchemy import BigInteger, Boolean, Column, Double, Identity, Index, Integer, String, Table, Text, false, true

from callctl.core.counting import NAMES, Counters
from callctl.store.tables import Key, Utc, metadata

_KINDS = {int: Integer, float: Double}

# Five minutes of which calls were written since they were counted; a row a batch, so that a recount knows what it saw.
stale = Table(
    "stale",
    metadata,
    Column("id", Key, Identity(), primary_key=True),
    Column("bucket", BigInteger, nullable=False),  # Epoch seconds; core/days.py bucket_of.
    Index(None, "bucket"),
    sqlite_autoincrement=True,  # A number given again would let a recount that was overtaken take a newer row away.
)

# The counters of core/counting.py, one row a city and five minutes; a city without a call in them has no row.
counters = Table(
    "counters",
    metadata,
    Column("bucket", BigInteger, primary_key=True, autoincrement=False),
    Column("city", String, primary_key=True),
    *(Column(name, _KINDS[type(getattr(Counters(), name))], nullable=False) for name in NAMES),
)

# Dial attempts as the carrier counted them; imported from files.
attempts = Table(
    "attempts",
    metadata,
    Column("city", String, primary_key=True),
    Column("since", BigInteger, primary_key=True, autoincrement=False),  # Epoch seconds.
    Column("seconds", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("source", String, nullable=False),
)

# Recordings found on a PBX; the files stay there.
recordings = Table(
    "recordings",
    metadata,
    Column("call", String, primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),  # 0: the first conversation.
    Column("city", String, nullable=False),
    Column("file", String, nullable=False),
    Column("began_at", Utc),
    Column("seconds", Double),
)

# What citizens may ask for: one row a code and validity.
categories = Table(
    "categories",
    metadata,
    Column("code", String(16), primary_key=True),
    Column("valid_from", String(10), primary_key=True),  # ISO date; "" is always.
    Column("valid_to", String(10), nullable=False),  # The last day; "" is open.
    Column("parent", String(16), nullable=False),
    Column("depth", Integer, nullable=False),
    Column("name_zh", String, nullable=False),
    Column("name_en", String, nullable=False),
    Column("synonyms", Text, nullable=False),  # With |.
    Column("unit", String, nullable=False),
    Column("profile", String, nullable=False),  # Deadline profile; "" is the city's.
    Column("status", String, nullable=False),
)

# One row a call: what it was about and what became of it.
wrapups = Table(
    "wrapups",
    metadata,
    Column("call", String, primary_key=True),
    Column("city", String, nullable=False),  # Assisted city: it owns the demand.
    Column("answering", String, nullable=False),
    Column("seat", String, nullable=False),
    Column("agent", String, nullable=False),
    Column("at", Utc, nullable=False),
    Column("demand", String(16), nullable=False),  # core/demand.py Demand.
    Column("code", String(16), nullable=False),
    Column("result", String(16), nullable=False),  # on_call, forwarded.
    Column("urgent", Boolean(create_constraint=False), nullable=False),
    Column("confidential", Boolean(create_constraint=False), nullable=False),
    Column("nuisance", Boolean(create_constraint=False), nullable=False),
    Column("script", String, nullable=False),
    Column("script_version", Integer),
    Column("wrapped_s", Double),
    Column("revision", Integer, nullable=False),
    Column("personal", Text, nullable=False),  # Sealed JSON: title, content, address, requester, contact, number.
    Index(None, "city", "at"),
)

# One row a forwarded demand. `seq` is the cursor of the pull API: every revision gets a new one (store/stubs.py).
stubs = Table(
    "stubs",
    metadata,
    Column("seq", Key, Identity(), primary_key=True),
    Column("stub", String, nullable=False, unique=True),
    Column("call", String, nullable=False),
    Column("city", String, nullable=False),
    Column("at", Utc, nullable=False),
    Column("demand", String(16), nullable=False),
    Column("state", String(16), nullable=False),  # core/demand.py StubState.
    Column("order_no", String, nullable=False),  # The city's own; "" until it accepted.
    Column("accepted_at", Utc),
    Column("due_at", Utc),
    Column("done_at", Utc),
    Column("followed_up_at", Utc),
    Column("score", Integer),
    Column("supervised", Boolean(create_constraint=False), nullable=False, server_default=false()),
    Column("seen", Boolean(create_constraint=False), nullable=False, server_default=true()),  # Pulled, or being sent.
    Column("withdrawn", Boolean(create_constraint=False), nullable=False, server_default=false()),  # Answered after all.
    Column("score_at", Utc),  # Of the follow-up the score is from.
    Index(None, "city", "seq"),
    Index(None, "call"),
    sqlite_autoincrement=True,  # A place given again would be behind a city's cursor.
)

# What the city told of a stub, as it came, once: `mark` is a digest.
stub_steps = Table(
    "stub_steps",
    metadata,
    Column("id", Key, Identity(), primary_key=True),
    Column("mark", String(32), nullable=False, unique=True),
    Column("stub", String, nullable=False),
    Column("at", Utc, nullable=False),
    Column("what", String(16), nullable=False),
    Column("who", String, nullable=False),
    Column("note", Text, nullable=False),
    Index(None, "stub"),
)

# One row a stub and way to the city.
deliveries = Table(
    "deliveries",
    metadata,
    Column("stub", String, primary_key=True),
    Column("way", String(16), primary_key=True),  # webhook, drop.
    Column("city", String, nullable=False),
    Column("state", String(16), nullable=False),  # due, sent.
    Column("tries", Integer, nullable=False),
    Column("next_at", Utc, nullable=False),
    Column("sent_at", Utc),
    Column("why", String, nullable=False),  # Of the last failure.
    Index(None, "state", "next_at"),
)

# One row a call-back that was tried.
callbacks = Table(
    "callbacks",
    metadata,
    Column("id", Key, Identity(), primary_key=True),
    Column("request", String, unique=True),
    Column("city", String, nullable=False),
    Column("caller", String(64), nullable=False),
    Column("at", Utc, nullable=False),
    Column("by_city", String, nullable=False),
    Column("seat", String, nullable=False),
    Column("outcome", String(16), nullable=False),  # core/missed.py.
    Column("note", Text, nullable=False),
    Index(None, "city", "at"),
)

# Documents: daily reports and the others. Figures are frozen when the report is approved.
reports = Table(
    "reports",
    metadata,
    Column("id", Key, Identity(), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("city", String, nullable=False),
    Column("of_day", String(10), nullable=False),  # ISO date.
    Column("state", String(16), nullable=False),  # draft, approved, sent.
    Column("made_at", Utc, nullable=False),
    Column("late", Boolean(create_constraint=False), nullable=False),  # Made after its time, by catching up.
    Column("figures", Text, nullable=False),  # JSON.
    Column("notes", Text, nullable=False),
    Column("approved_by", String, nullable=False),
    Column("approved_at", Utc),
    Column("sent_at", Utc),
    Column("sent_to", String, nullable=False),
    Index(None, "kind", "city", "of_day", unique=True),
)

# What may not be deleted while somebody needs it: a call, a caller, or a city's day.
holds = Table(
    "holds",
    metadata,
    Column("id", Key, Identity(), primary_key=True),
    Column("kind", String(16), nullable=False),  # call, caller.
    Column("what", String(80), nullable=False),
    Column("reason", Text, nullable=False),
    Column("who", String, nullable=False),
    Column("at", Utc, nullable=False),
    Column("released_at", Utc),
    Index(None, "kind", "what"),
)
