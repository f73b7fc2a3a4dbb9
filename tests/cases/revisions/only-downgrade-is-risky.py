"""drop a table"""
from example.manager.models.rbac.migration.enums import Kind
from example.manager.models.base import GUID, metadata

revision = "666666666666"
down_revision = "555555555555"


def upgrade():
    op.drop_table("old")


def downgrade():
    input("this loses data, go on? ")
    with open("rows.csv") as rows:
        restore(rows)
