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
    _scripts()
    _webhooks()


def downgrade() -> None:
    """Undo this step."""
    for table in (
        "bookmarks",
        "hook_deliveries",
        "webhooks",
        "receipts",
        "script_versions",
        "scripts",
        "tokens",
        "invitations",
        "old_passwords",
        "accounts",
    ):
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


def _scripts() -> None:
    op.create_table(
        "scripts",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        _text("city", 32),
        _moment("made_at"),
        sa.PrimaryKeyConstraint("id", name="pk_scripts"),
    )
    op.create_index("ix_scripts_city", "scripts", ["city"])
    op.create_table(
        "script_versions",
        sa.Column("script", KEY, autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        _text("state", 16),
        *(_text(name) for name in ("question", "similar", "answer", "scope", "source")),
        _text("category", 32),
        _yes("must_read"),
        _moment("from_at", nullable=True),
        _moment("until", nullable=True),
        _text("note"),
        sa.Column("saves", sa.Integer(), nullable=False),
        _text("editors"),
        _moment("written_at"),
        _text("decided_by", 64),
        _moment("decided_at", nullable=True),
        _text("why"),
        sa.ForeignKeyConstraint(["script"], ["scripts.id"], name="fk_script_versions_script_scripts"),
        sa.PrimaryKeyConstraint("script", "version", name="pk_script_versions"),
    )
    op.create_index("ix_script_versions_state_decided_at", "script_versions", ["state", "decided_at"])
    op.create_table(
        "receipts",
        sa.Column("script", KEY, autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        _text("agent", 64),
        _text("city", 32),
        _moment("read_at"),
        sa.PrimaryKeyConstraint("script", "version", "agent", name="pk_receipts"),
    )


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        _text("name", 64),
        _text("address"),
        _text("secret"),
        _text("kinds"),
        _moment("made_at"),
        _text("made_by", 64),
        _moment("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_webhooks"),
    )
    op.create_table(
        "hook_deliveries",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        _text("mark", 96),
        _text("webhook", 64),
        _text("kind", 32),
        _moment("at"),
        _text("body"),
        _text("state", 8),
        sa.Column("tries", sa.Integer(), nullable=False),
        _moment("next_at"),
        _text("why"),
        sa.ForeignKeyConstraint(["webhook"], ["webhooks.name"], name="fk_hook_deliveries_webhook_webhooks"),
        sa.PrimaryKeyConstraint("id", name="pk_hook_deliveries"),
        sa.UniqueConstraint("mark", name="uq_hook_deliveries_mark"),
    )
    op.create_index("ix_hook_deliveries_state_next_at", "hook_deliveries", ["state", "next_at"])
    op.create_table(
        "bookmarks",
        _text("name", 32),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_bookmarks"),
    )
