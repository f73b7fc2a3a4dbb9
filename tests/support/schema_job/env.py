"""Runs the migrations by an asynchronous engine on PostgreSQL, as Backend.AI does, and by a plain one on SQLite."""

import asyncio

from alembic import context
from sqlalchemy import create_engine, pool
from sqlalchemy.ext.asyncio import create_async_engine

url = context.config.get_main_option("sqlalchemy.url")


def migrate(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


async def migrate_asynchronously():
    engine = create_async_engine(url, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


if url.startswith("sqlite"):
    with create_engine(url, poolclass=pool.NullPool).connect() as connection:
        migrate(connection)
else:
    asyncio.run(migrate_asynchronously())
