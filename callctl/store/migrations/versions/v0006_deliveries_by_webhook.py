"""Found by an index: a webhook's deliveries of one state, and the oldest calls of a city that still have a number."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    op.create_index("ix_hook_deliveries_webhook_state_id", "hook_deliveries", ["webhook", "state", "id"])
    numbered = sa.text("number <> ''")
    op.create_index("ix_calls_numbered", "calls", ["city", "asked_at"], sqlite_where=numbered, postgresql_where=numbered)


def downgrade() -> None:
    """Undo this step."""
    op.drop_index("ix_calls_numbered", "calls")
    op.drop_index("ix_hook_deliveries_webhook_state_id", "hook_deliveries")
