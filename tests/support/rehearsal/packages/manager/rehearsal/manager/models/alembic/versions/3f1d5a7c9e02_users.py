"""The users."""

import sqlalchemy as sa
from alembic import op

revision = "3f1d5a7c9e02"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    users = op.create_table(
        "users",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
    )
    op.bulk_insert(users, [{"name": "ada"}, {"name": "grace"}, {"name": "edsger"}])


def downgrade():
    op.drop_table("users")
