"""Runs the migrations on SQLite in one transaction, as PostgreSQL does."""

from alembic import context
from sqlalchemy import create_engine, event, pool

engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)


# Python's sqlite3 commits before a CREATE or ALTER TABLE by its own rule. Taking BEGIN out of its hands makes the
# whole upgrade one transaction: a migration that is killed half-way leaves the schema that was there before.
@event.listens_for(engine, "connect")
def take_over_transactions(connection, _):
    connection.isolation_level = None


@event.listens_for(engine, "begin")
def begin(connection):
    connection.exec_driver_sql("BEGIN IMMEDIATE")


with engine.connect() as connection:
    context.configure(connection=connection, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()
