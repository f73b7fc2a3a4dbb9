"""The audit log. The file `slow-migration` beside alembic.ini (it holds seconds) stops it half-way."""

import os
import time

import sqlalchemy as sa
from alembic import context, op

revision = "e0c9163d7b48"
down_revision = "d72b84a3f05e"
branch_labels = None
depends_on = None


def upgrade():
    audit_log = op.create_table(
        "audit_log",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("event", sa.String(64), nullable=False),
    )
    wait_half_way()
    users = op.get_bind().execute(sa.text("SELECT id FROM users")).scalars().all()
    op.bulk_insert(audit_log, [{"user_id": user, "event": "log opened"} for user in users])


def wait_half_way():
    directory = os.path.dirname(os.path.abspath(context.config.config_file_name))
    switch = os.path.join(directory, "slow-migration")
    if not os.path.exists(switch):
        return
    with open(switch, encoding="utf-8") as file:
        seconds = float(file.read().strip() or 60)
    with open(switch + ".reached", "w", encoding="utf-8") as file:
        file.write(str(os.getpid()))
    end = time.monotonic() + seconds
    while os.path.exists(switch) and time.monotonic() < end:
        time.sleep(0.02)


def downgrade():
    op.drop_table("audit_log")
