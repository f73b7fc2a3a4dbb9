"""add a column for quotas

Revision ID: 0a1b2c3d4e5f
Revises: f5e4d3c2b1a0
Create Date: 2024-02-01 10:00:00.000000

"""
import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = "0a1b2c3d4e5f"
down_revision = "f5e4d3c2b1a0"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("projects", sa.Column("quota", sa.Integer(), nullable=True))


def downgrade():
    op.drop_column("projects", "quota")
