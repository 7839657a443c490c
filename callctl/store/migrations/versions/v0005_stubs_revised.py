"""A stub's place is given once and anew for every revision; what a city may have seen is withdrawn, not deleted."""

from typing import Literal

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step. What is there already may have been seen."""
    # SQLite gives the numbers of deleted rows again unless it is told not to: a city's cursor would pass over the order.
    with op.batch_alter_table("stubs", recreate=_recreate(), table_kwargs={"sqlite_autoincrement": True}) as stubs:
        stubs.add_column(sa.Column("seen", sa.Boolean(create_constraint=False), server_default=sa.true(), nullable=False))
        stubs.add_column(
            sa.Column("withdrawn", sa.Boolean(create_constraint=False), server_default=sa.false(), nullable=False)
        )
        stubs.add_column(sa.Column("score_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Undo this step."""
    with op.batch_alter_table("stubs", recreate=_recreate(), table_kwargs={"sqlite_autoincrement": False}) as stubs:
        for name in ("seen", "withdrawn", "score_at"):
            stubs.drop_column(name)


def _recreate() -> Literal["always", "never"]:
    return "always" if op.get_bind().dialect.name == "sqlite" else "never"
