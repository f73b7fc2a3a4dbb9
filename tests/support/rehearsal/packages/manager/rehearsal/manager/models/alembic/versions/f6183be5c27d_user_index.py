"""An index of users by address."""

from alembic import op

revision = "f6183be5c27d"
down_revision = "e0c9163d7b48"
branch_labels = None
depends_on = None


def upgrade():
    op.create_index("ix_users_email", "users", ["email"])


def downgrade():
    op.drop_index("ix_users_email")
