"""The sessions of a user."""

import sqlalchemy as sa
from alembic import op

revision = "8c24e6b0d913"
down_revision = "3f1d5a7c9e02"
branch_labels = None
depends_on = None


def upgrade():
    sessions = op.create_table(
        "sessions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
    )
    op.bulk_insert(sessions, [{"user_id": 1, "status": "TERMINATED"}, {"user_id": 2, "status": "CANCELLED"}])


def downgrade():
    op.drop_table("sessions")
