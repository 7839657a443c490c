"""Accounts, invitations and machine tokens; scripts with their versions and receipts; webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
UTC = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply this step."""
    _accounts()


def downgrade() -> None:
    """Undo this step."""
    for table in ("tokens", "invitations", "old_passwords", "accounts"):
        op.drop_table(table)


def _text(name: str, most: int | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.String(most) if most else sa.Text(), nullable=False)


def _moment(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, UTC, nullable=nullable)


def _yes(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(create_constraint=False), nullable=False)


def _accounts() -> None:
    op.create_table(
        "accounts",
        _text("name", 64),
        _text("person", 64),
        _text("roles"),
        _text("cities"),
        _text("agent", 64),
        _text("password"),
        _moment("password_at", nullable=True),
        _text("code_key"),
        sa.Column("code_step", sa.BigInteger(), nullable=False),
        _yes("closed"),
        sa.Column("version", sa.Integer(), nullable=False),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("name", name="pk_accounts"),
    )
    op.create_table(
        "old_passwords",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        _text("account", 64),
        _moment("at"),
        _text("password"),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name="fk_old_passwords_account_accounts"),
        sa.PrimaryKeyConstraint("id", name="pk_old_passwords"),
    )
    op.create_index("ix_old_passwords_account_at", "old_passwords", ["account", "at"])
    op.create_table(
        "invitations",
        _text("digest", 64),
        _text("account", 64),
        _moment("made_at"),
        _moment("until"),
        _moment("used_at", nullable=True),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name="fk_invitations_account_accounts"),
        sa.PrimaryKeyConstraint("digest", name="pk_invitations"),
    )
    op.create_index("ix_invitations_account", "invitations", ["account"])
    op.create_table(
        "tokens",
        _text("name", 64),
        _text("digest", 64),
        _text("roles"),
        _text("cities"),
        _text("rights"),
        _moment("made_at"),
        _text("made_by", 64),
        _moment("until"),
        _moment("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_tokens"),
        sa.UniqueConstraint("digest", name="uq_tokens_digest"),
    )
