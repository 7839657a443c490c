"""Who has read a script is known by city and 工号: a 工号 is a city's own, and two cities may have the same one."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    _rekey("script", "version", "city", "agent")


def downgrade() -> None:
    """Undo this step. Of two cities' agents with the same 工号 the one who read first stays."""
    one = sa.table("receipts", *(sa.column(name) for name in ("script", "version", "agent", "city", "read_at")))
    other = one.alias()
    earlier = sa.or_(other.c.read_at < one.c.read_at, sa.and_(other.c.read_at == one.c.read_at, other.c.city < one.c.city))
    same = (other.c[name] == one.c[name] for name in ("script", "version", "agent"))
    op.execute(sa.delete(one).where(sa.exists().where(*same, earlier)))
    _rekey("script", "version", "agent")


def _rekey(*columns: str) -> None:
    with op.batch_alter_table("receipts") as receipts:
        receipts.drop_constraint("pk_receipts", type_="primary")
        receipts.create_primary_key("pk_receipts", list(columns))
