"""move settings out of the key-value store

Revision ID: 555555555555
"""
import os

import click
from example.common.etcd import AsyncEtcd
from example.manager.config import load
from example.manager.models.base import GUID
from example.manager.models.user import UserRow
from sqlalchemy import create_engine

revision = "555555555555"
down_revision = "444444444444"

BATCH_SIZE = 100


def ask():
    return os.environ.get("CHOICE") or input("a or b? ")


def upgrade():
    engine = create_engine(os.environ["URL"])
    with op.get_context().autocommit_block():
        op.execute("ALTER TYPE kinds ADD VALUE 'x'")
