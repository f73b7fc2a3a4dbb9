"""Users get an address."""

import sqlalchemy as sa
from alembic import op

revision = "b5907f1e2c6a"
down_revision = "8c24e6b0d913"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("users", sa.Column("email", sa.String(128)))
    op.execute("UPDATE users SET email = name || '@example.org'")


def downgrade():
    op.drop_column("users", "email")
