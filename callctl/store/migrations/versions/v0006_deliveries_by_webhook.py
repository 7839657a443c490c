"""A webhook's deliveries are found by its name and their state: its page, another try of all, forgetting what was told."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    op.create_index("ix_hook_deliveries_webhook_state_id", "hook_deliveries", ["webhook", "state", "id"])


def downgrade() -> None:
    """Undo this step."""
    op.drop_index("ix_hook_deliveries_webhook_state_id", "hook_deliveries")
