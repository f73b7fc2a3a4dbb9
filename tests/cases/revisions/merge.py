"""merge two branches"""

revision = "00000000000c"
down_revision = (
    "00000000000b",  # the later one first: alembic goes by this order
    'a00000000000',
)
depends_on = ["d00000000000", "other-branch"]
branch_labels = ("storage",)
