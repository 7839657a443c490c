"""The first tables: journal, calls with their waits and legs, loans, surveys, audit, wishes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
UTC = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply this step."""
    _journal_and_calls()
    _waits_and_legs()
    _loans_and_surveys()
    _audit_and_wishes()


def downgrade() -> None:
    """Undo this step."""
    for table in ("wishes", "audit", "surveys", "loans", "legs", "waits", "calls", "journal"):
        op.drop_table(table)


def _text(name: str, nullable: bool = False, most: int | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.String(most), nullable=nullable)


def _moment(name: str, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, UTC, nullable=nullable)


def _journal_and_calls() -> None:
    op.create_table(
        "journal",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        _text("mark", most=32),
        _moment("at", nullable=False),
        _text("city"),
        _text("kind", most=32),
        _text("call", nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_journal"),
        sa.UniqueConstraint("mark", name="uq_journal_mark"),
    )
    op.create_index("ix_journal_city_at", "journal", ["city", "at"])
    op.create_index("ix_journal_call", "journal", ["call"])
    op.create_table(
        "calls",
        _text("call"),
        _text("city"),
        _text("number"),
        _moment("asked_at", nullable=False),
        _moment("first_arrival"),
        _moment("left_at"),
        _text("state", most=16),
        sa.Column("open", sa.Boolean(create_constraint=False), nullable=False),
        _text("outcome", nullable=True, most=16),
        sa.Column("waited_s", sa.Double()),
        _moment("answered_at"),
        _text("by_city", nullable=True),
        _text("by_seat", nullable=True),
        sa.Column("by_slot", sa.Integer()),
        _moment("ended_at"),
        sa.Column("talked_s", sa.Double()),
        sa.Column("requeues", sa.Integer(), nullable=False),
        sa.Column("score", sa.Integer()),
        _text("seen_from", most=16),
        sa.PrimaryKeyConstraint("call", name="pk_calls"),
    )
    op.create_index("ix_calls_city_asked_at", "calls", ["city", "asked_at"])
    op.create_index("ix_calls_open_city", "calls", ["open", "city"])


def _waits_and_legs() -> None:
    op.create_table(
        "waits",
        _text("call"),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        _text("city"),
        _moment("entered_at"),
        _moment("left_at"),
        sa.Column("waited_s", sa.Double()),
        _moment("gone_at"),
        sa.PrimaryKeyConstraint("call", "n", name="pk_waits"),
    )
    op.create_index("ix_waits_city_entered_at", "waits", ["city", "entered_at"])
    op.create_table(
        "legs",
        _text("call"),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        _text("city"),
        _text("side", most=8),
        _text("seat", nullable=True),
        _text("assisted", nullable=True),
        _text("supporting", nullable=True),
        sa.Column("slot", sa.Integer()),
        _moment("rung_at"),
        _moment("answered_at"),
        _moment("ended_at"),
        _text("how", nullable=True, most=16),
        sa.Column("talked_s", sa.Double()),
        _moment("gone_at"),
        sa.PrimaryKeyConstraint("call", "n", name="pk_legs"),
    )
    op.create_index("ix_legs_city_rung_at", "legs", ["city", "rung_at"])


def _loans_and_surveys() -> None:
    op.create_table(
        "loans",
        _text("city"),
        _text("seat"),
        sa.Column("token", sa.BigInteger(), autoincrement=False, nullable=False),
        _text("assisted"),
        _moment("lent_at"),
        _moment("returned_at"),
        _moment("gone_at"),
        _text("seen_from", most=16),
        sa.PrimaryKeyConstraint("city", "seat", "token", name="pk_loans"),
    )
    op.create_index("ix_loans_assisted_lent_at", "loans", ["assisted", "lent_at"])
    op.create_table(
        "surveys",
        _text("call"),
        _text("city"),
        _moment("at", nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("call", name="pk_surveys"),
    )
    op.create_index("ix_surveys_city_at", "surveys", ["city", "at"])


def _audit_and_wishes() -> None:
    op.create_table(
        "audit",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        _text("request", nullable=True),
        _moment("at", nullable=False),
        _text("who"),
        _text("from_where"),
        _text("what"),
        _text("city"),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sa.UniqueConstraint("request", name="uq_audit_request"),
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_table(
        "wishes",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        _moment("at", nullable=False),
        sa.Column("audit_id", KEY),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["audit_id"], ["audit.id"], name="fk_wishes_audit_id_audit"),
        sa.PrimaryKeyConstraint("id", name="pk_wishes"),
    )
    op.create_index("ix_wishes_version", "wishes", ["version"], unique=True)
