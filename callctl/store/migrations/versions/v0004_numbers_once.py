"""A number of `stale` is given once: SQLite gave the numbers of deleted rows again, and a counted change was forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    _rebuild(numbers_once=True)


def downgrade() -> None:
    """Undo this step."""
    _rebuild(numbers_once=False)


def _rebuild(*, numbers_once: bool) -> None:
    """PostgreSQL's identity never gives a number again, so there is nothing to do."""
    link = op.get_bind()
    if link.dialect.name != "sqlite":
        return
    kept = sa.table("stale", sa.column("bucket", sa.BigInteger))
    # What SQLite's counters hold may be wrong by this fault: whatever was counted is counted again.
    counted = sa.table("counters", sa.column("bucket", sa.BigInteger))
    buckets = sorted(link.execute(sa.union(sa.select(kept.c.bucket), sa.select(counted.c.bucket))).scalars())
    op.drop_table("stale")
    op.create_table(
        "stale",
        sa.Column("id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("bucket", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_stale"),
        sqlite_autoincrement=numbers_once,
    )
    op.create_index("ix_stale_bucket", "stale", ["bucket"])
    if buckets:
        op.bulk_insert(kept, [{"bucket": one} for one in buckets])
