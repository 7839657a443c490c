"""The records: counters, wrap-up notes, order stubs, reports, holds; and the audit's hash chain."""

import hashlib
import json
from datetime import UTC
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
UTC_TIME = sa.DateTime(timezone=True)
_TABLES = (
    "stale",
    "counters",
    "attempts",
    "recordings",
    "categories",
    "wrapups",
    "stubs",
    "stub_steps",
    "deliveries",
    "callbacks",
    "reports",
    "holds",
)
_COUNTS = (
    "requested",
    "answered_home",
    "answered_remote",
    "abandoned",
    "call_back",
    "moved",
    "waiting",
    "lost",
    "unknown",
    "in_15",
    "in_20",
    "in_30",
    "short_abandoned",
    "abandoned_ringing",
    "blocked",
    "called_back",
    "unanswered_rings",
    "sent_out",
    "returned_home",
    "answered_for_others",
    "requeues",
    "waits_n",
    "answered_waits_n",
    "talks_n",
    "remote_talks_n",
    "wraps_n",
    "nuisance",
    "scored_home",
    "scored_remote",
    "satisfied_home",
    "satisfied_remote",
    "scores_sum",
    "on_call_home",
    "on_call_remote",
    "forwarded_home",
    "forwarded_remote",
)
_SECONDS = (
    "waits_s",
    "answered_waits_s",
    "talks_s",
    "remote_talks_s",
    "wraps_s",
    "for_others_s",
    "max_wait_s",
)


def upgrade() -> None:
    """Apply this step."""
    _stale()
    _counters()
    _attempts()
    _recordings()
    _categories()
    _wrapups()
    _stubs()
    _stub_steps()
    _deliveries()
    _callbacks()
    _reports()
    _holds()
    _widen_calls()
    _chain_audit()


def downgrade() -> None:
    """Undo this step."""
    with op.batch_alter_table("audit") as table:
        table.drop_column("chain")
    op.drop_index("ix_calls_asked_at", "calls")
    op.drop_index("ix_calls_caller_asked_at", "calls")
    with op.batch_alter_table("calls") as table:
        table.drop_column("called_back")
        table.drop_column("caller")
    for name in _TABLES:
        op.drop_table(name)


def _widen_calls() -> None:
    op.add_column("calls", sa.Column("caller", sa.String(64), nullable=False, server_default=""))
    op.add_column(
        "calls", sa.Column("called_back", sa.Boolean(create_constraint=False), nullable=False, server_default=sa.false())
    )
    op.create_index("ix_calls_asked_at", "calls", ["asked_at"])
    op.create_index("ix_calls_caller_asked_at", "calls", ["caller", "asked_at"])
    calls = sa.table("calls", sa.column("number"), sa.column("caller", sa.String), sa.column("asked_at", UTC_TIME))
    op.execute(calls.update().values(caller=sa.func.substr(calls.c.number, 1, 64)))
    # What was written before has never been counted: every five minutes that hold a call.
    link = op.get_bind()
    moments = link.execute(sa.select(calls.c.asked_at).distinct()).scalars()
    buckets = sorted({int(_seconds(at) // 300) * 300 for at in moments})
    if buckets:
        op.bulk_insert(sa.table("stale", sa.column("bucket", sa.BigInteger)), [{"bucket": one} for one in buckets])


def _chain_audit() -> None:
    """Give the rows that are there their links, in their order (store/chain.py as it was for this step)."""
    op.add_column("audit", sa.Column("chain", sa.String(64)))
    names = ("request", "who", "from_where", "what", "city", "before", "after", "reason")
    audit = sa.table("audit", sa.column("id"), sa.column("at", UTC_TIME), sa.column("chain"), *map(sa.column, names))
    link = op.get_bind()
    before = ""
    for row in link.execute(sa.select(audit).order_by(audit.c.id)).mappings().all():
        values = [before, round(_seconds(row["at"]) * 1e6), *(row[name] for name in names)]
        before = hashlib.sha256(json.dumps(values, ensure_ascii=True).encode()).hexdigest()
        link.execute(audit.update().where(audit.c.id == row["id"]).values(chain=before))


def _seconds(at: Any) -> float:
    return float((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def _stale() -> None:
    op.create_table(
        "stale",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("bucket", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_stale"),
    )
    op.create_index("ix_stale_bucket", "stale", ["bucket"])


def _counters() -> None:
    op.create_table(
        "counters",
        sa.Column("bucket", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("city", sa.String(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in _COUNTS),
        *(sa.Column(name, sa.Double(), nullable=False) for name in _SECONDS),
        sa.PrimaryKeyConstraint("bucket", "city", name="pk_counters"),
    )


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("city", sa.String(), nullable=False),
        sa.Column("since", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("city", "since", name="pk_attempts"),
    )


def _recordings() -> None:
    op.create_table(
        "recordings",
        sa.Column("call", sa.String(), nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("city", sa.String(), nullable=False),
        sa.Column("file", sa.String(), nullable=False),
        sa.Column("began_at", UTC_TIME, nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("call", "n", name="pk_recordings"),
    )


def _categories() -> None:
    op.create_table(
        "categories",
        sa.Column("code", sa.String(16), nullable=False),
        sa.Column("valid_from", sa.String(10), nullable=False),
        sa.Column("valid_to", sa.String(10), nullable=False),
        sa.Column("parent", sa.String(16), nullable=False),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("name_zh", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("synonyms", sa.Text(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("code", "valid_from", name="pk_categories"),
    )


def _wrapups() -> None:
    op.create_table(
        "wrapups",
        sa.Column("call", sa.String(), nullable=False),
        sa.Column("city", sa.String(), nullable=False),
        sa.Column("answering", sa.String(), nullable=False),
        sa.Column("seat", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("at", UTC_TIME, nullable=False),
        sa.Column("demand", sa.String(16), nullable=False),
        sa.Column("code", sa.String(16), nullable=False),
        sa.Column("result", sa.String(16), nullable=False),
        sa.Column("urgent", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("confidential", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("nuisance", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("script", sa.String(), nullable=False),
        sa.Column("script_version", sa.Integer(), nullable=True),
        sa.Column("wrapped_s", sa.Double(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("personal", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("call", name="pk_wrapups"),
    )
    op.create_index("ix_wrapups_city_at", "wrapups", ["city", "at"])


def _stubs() -> None:
    op.create_table(
        "stubs",
        sa.Column("seq", KEY, sa.Identity(), nullable=False),
        sa.Column("stub", sa.String(), nullable=False),
        sa.Column("call", sa.String(), nullable=False),
        sa.Column("city", sa.String(), nullable=False),
        sa.Column("at", UTC_TIME, nullable=False),
        sa.Column("demand", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("order_no", sa.String(), nullable=False),
        sa.Column("accepted_at", UTC_TIME, nullable=True),
        sa.Column("due_at", UTC_TIME, nullable=True),
        sa.Column("done_at", UTC_TIME, nullable=True),
        sa.Column("followed_up_at", UTC_TIME, nullable=True),
        sa.Column("score", sa.Integer(), nullable=True),
        sa.Column("supervised", sa.Boolean(create_constraint=False), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_stubs"),
        sa.UniqueConstraint("stub", name="uq_stubs_stub"),
    )
    op.create_index("ix_stubs_call", "stubs", ["call"])
    op.create_index("ix_stubs_city_seq", "stubs", ["city", "seq"])


def _stub_steps() -> None:
    op.create_table(
        "stub_steps",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("mark", sa.String(32), nullable=False),
        sa.Column("stub", sa.String(), nullable=False),
        sa.Column("at", UTC_TIME, nullable=False),
        sa.Column("what", sa.String(16), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_stub_steps"),
        sa.UniqueConstraint("mark", name="uq_stub_steps_mark"),
    )
    op.create_index("ix_stub_steps_stub", "stub_steps", ["stub"])


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("stub", sa.String(), nullable=False),
        sa.Column("way", sa.String(16), nullable=False),
        sa.Column("city", sa.String(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_at", UTC_TIME, nullable=False),
        sa.Column("sent_at", UTC_TIME, nullable=True),
        sa.Column("why", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("stub", "way", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_state_next_at", "deliveries", ["state", "next_at"])


def _callbacks() -> None:
    op.create_table(
        "callbacks",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("request", sa.String(), nullable=True),
        sa.Column("city", sa.String(), nullable=False),
        sa.Column("caller", sa.String(64), nullable=False),
        sa.Column("at", UTC_TIME, nullable=False),
        sa.Column("by_city", sa.String(), nullable=False),
        sa.Column("seat", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_callbacks"),
        sa.UniqueConstraint("request", name="uq_callbacks_request"),
    )
    op.create_index("ix_callbacks_city_at", "callbacks", ["city", "at"])


def _reports() -> None:
    op.create_table(
        "reports",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("city", sa.String(), nullable=False),
        sa.Column("of_day", sa.String(10), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("made_at", UTC_TIME, nullable=False),
        sa.Column("late", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("figures", sa.Text(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=False),
        sa.Column("approved_at", UTC_TIME, nullable=True),
        sa.Column("sent_at", UTC_TIME, nullable=True),
        sa.Column("sent_to", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reports"),
    )
    op.create_index("ix_reports_kind_city_of_day", "reports", ["kind", "city", "of_day"], unique=True)


def _holds() -> None:
    op.create_table(
        "holds",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("what", sa.String(80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("at", UTC_TIME, nullable=False),
        sa.Column("released_at", UTC_TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_holds"),
    )
    op.create_index("ix_holds_kind_what", "holds", ["kind", "what"])
