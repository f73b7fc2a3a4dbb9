"""Sessions get a priority."""

import sqlalchemy as sa
from alembic import op

revision = "d72b84a3f05e"
down_revision = "b5907f1e2c6a"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("sessions", sa.Column("priority", sa.Integer, nullable=False, server_default="10"))


def downgrade():
    op.drop_column("sessions", "priority")
