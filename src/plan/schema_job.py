# Migrates a database in one transaction, or rehearses that on a copy of it. Sent to hosts by schema_job.rs, behind the
# program that reads the operator's alembic.ini (facts::DATABASE_URL_PY) and defines ini, raw, url, kind, name and env.
# Argument 3 is the job in JSON. Runs in the environment whose package migrates, with that package's alembic, so that
# its own env.py opens the connection. Python 3.8 and later, alembic 1.8 and later, SQLAlchemy 1.4 and later.
import hashlib, json, re, signal, shutil, subprocess, time
from urllib.parse import quote

JOB = json.loads(sys.argv[3])
ROWS, SKIPPED, PENDING, HEAD = set(JOB["rows"]), JOB["skipped"], JOB["pending"], JOB["head"]
# The release that is left, as upstream's own command takes it; then that command does the work, by upstream.py.
UPSTREAM = JOB.get("upstream")
# Only of a rehearsal: revisions whose work is not in the database alone.
OUTSIDE = set(JOB.get("outside", []))
BUSY = 75
# The eight letters as one number: advisory locks of PostgreSQL have 64 bits, and one space for each database.
LOCK = int.from_bytes(b"converge", "big")
MARK = "converge rehearsal"
# CREATE DATABASE can't be commented in one step. A database with this limit and nothing in it was just created by a
# rehearsal that was killed before it could put its mark there. 24,862 is no limit that anybody would choose.
MARK_LIMIT = 24862
MARK_SQLITE = int.from_bytes(b"cvrg", "big")
CUT = 2000


class Refused(Exception):
    """What was found is not what the plan relies on: nothing was changed."""


class Busy(Exception):
    """Another migration is at work."""


class OutOfBounds(Exception):
    """A rehearsal came to a revision that reaches outside of the database: there it would meet the real cluster."""

    def __init__(self, revision, ran, total):
        self.revision, self.ran, self.total = revision, ran, total


class Redacting:
    """A stream that shows no password, writes at once, and lets a migration go on when nobody listens any more."""

    def __init__(self, stream):
        self.stream = stream

    def write(self, text):
        try:
            self.stream.write(redacted(text))
            self.stream.flush()
        except OSError:
            pass
        return len(text)

    def __getattr__(self, attribute):
        return getattr(self.stream, attribute)


def redacted(text):
    for secret in SECRETS:
        text = text.replace(secret, "****")
    return text


SECRETS = sorted({s for s in (url.password, env.get("PGPASSWORD")) if s}, key=len, reverse=True)
sys.stdout, sys.stderr = Redacting(sys.stdout), Redacting(sys.stderr)


def one_line(text):
    text = " ".join(str(text).split())
    return text if len(text) <= CUT else text[:CUT] + " …"


def complain(*words):
    print(*words, file=sys.stderr)


def listed(ids):
    return ", ".join(sorted(ids)) or "none"


class Target:
    """A database that alembic is run against: the operator's own, or the rehearsal's copy of it."""

    def __init__(self, url, database):
        self.url, self.database = url, database

    def run(self, steps, **options):
        from alembic.config import Config
        from alembic.runtime.environment import EnvironmentContext
        from alembic.script import ScriptDirectory

        config = Config(ini)
        if self.url is not None:
            config.set_main_option("sqlalchemy.url", self.url.replace("%", "%%"))
        script = ScriptDirectory.from_config(config)
        called = []

        def checked(heads, context):
            if called:
                raise Refused("its env.py runs migrations more than once (expected: one database)")
            called.append(1)
            self.must_be(context.connection)
            return steps(script, set(heads), context)

        if kind == "sqlite":
            # alembic's default for SQLite is a transaction for each revision, of which Python's sqlite3 commits the
            # most part before it begins. An env.py that says something else is asked about it in `one_transaction`.
            options["transactional_ddl"] = True
        with EnvironmentContext(config, script, fn=checked, as_sql=False, destination_rev="head", **options):
            script.run_env()
        if not called:
            raise Refused("its env.py ran no migrations at all")

    def must_be(self, connection):
        """An env.py may take its URL from elsewhere: then neither a rehearsal nor a migration may go on."""
        if kind == "sqlite":
            found = [r[2] for r in connection.exec_driver_sql("pragma database_list") if r[1] == "main"]
            found = os.path.realpath(found[0]) if found else "no file"
        else:
            found = ask(connection, "select current_database()::text")[0][0]
        if found != self.database:
            raise Refused("its env.py connects to %s (expected %s, by sqlalchemy.url)" % (found, self.database))

    def look(self):
        """The rows of alembic_version and the digest of the schema, by a connection of its own."""
        seen = {}

        def steps(script, heads, context):
            seen["rows"], seen["digest"] = rows_of(context.connection), digest_of(context.connection)
            return []

        self.run(steps, dont_mutate=True)
        return seen["rows"], seen["digest"]


def ask(connection, sql):
    return connection.exec_driver_sql(sql).fetchall()


def rows_of(connection):
    if kind == "sqlite":
        there = ask(connection, "select 1 from sqlite_master where name='alembic_version'")
    else:
        there = ask(connection, "select 1 where to_regclass('alembic_version') is not null")
    return {r[0] for r in ask(connection, "select version_num from alembic_version")} if there else set()


# The whole schema as lines that don't depend on the order of columns, owners, statistics or object numbers.
# What belongs to an extension comes and goes with the extension's release, so only its name is looked at.
POSTGRESQL = """
with mine as (select n.oid, n.nspname from pg_namespace n
  where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'),
foreign_objects as (select classid, objid from pg_depend where deptype = 'e'),
relations as (select c.*, m.nspname from pg_class c join mine m on m.oid = c.relnamespace where not exists
  (select 1 from foreign_objects f where f.classid = 'pg_class'::regclass and f.objid = c.oid))
select 'relation '||relkind::text||' '||nspname||'.'||relname from relations
  where relkind::text in ('r','p','v','m','f','S')
union all select 'column '||nspname||'.'||relname||'.'||a.attname||' '||format_type(a.atttypid, a.atttypmod)
  ||case when a.attnotnull then ' not null' else '' end||coalesce(' default '||pg_get_expr(d.adbin, d.adrelid), '')
  ||' '||a.attidentity::text||a.attgenerated::text
  from relations r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
  left join pg_attrdef d on d.adrelid = r.oid and d.adnum = a.attnum where r.relkind::text in ('r','p','v','m','f')
union all select 'index '||pg_get_indexdef(i.indexrelid)||case when i.indisvalid then '' else ' invalid' end
  from relations r join pg_index i on i.indrelid = r.oid
union all select 'constraint '||nspname||'.'||relname||' '||k.conname||' '||pg_get_constraintdef(k.oid)
  from relations r join pg_constraint k on k.conrelid = r.oid where k.contype::text <> 'n'
union all select 'trigger '||pg_get_triggerdef(t.oid) from relations r join pg_trigger t on t.tgrelid = r.oid
  where not t.tgisinternal
union all select 'view '||nspname||'.'||relname||' '||pg_get_viewdef(oid) from relations
  where relkind::text in ('v','m')
union all select 'enum '||m.nspname||'.'||t.typname||' '||
  (select string_agg(e.enumlabel::text, ',' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid)
  from pg_type t join mine m on m.oid = t.typnamespace
  where t.typtype::text = 'e' and not exists
  (select 1 from foreign_objects f where f.classid = 'pg_type'::regclass and f.objid = t.oid)
union all select 'domain '||m.nspname||'.'||t.typname||' '||format_type(t.typbasetype, t.typtypmod) from pg_type t
  join mine m on m.oid = t.typnamespace where t.typtype::text = 'd'
union all select 'function '||m.nspname||'.'||p.proname||' '||pg_get_function_identity_arguments(p.oid)
  ||' '||md5(p.prosrc)
  from pg_proc p join mine m on m.oid = p.pronamespace where not exists
  (select 1 from foreign_objects f where f.classid = 'pg_proc'::regclass and f.objid = p.oid)
union all select 'extension '||extname from pg_extension
"""


def postgresql_lines(connection):
    # The server writes an expression back with other casts and brackets after it was dumped and restored:
    # (ARRAY['a'::varchar])::text[] becomes ARRAY[('a'::varchar)::text]. Types of columns are lines of their own.
    cast = re.compile(r'::(?:"[^"]+"|[a-z_][a-z_0-9. ]*)(?:\(\d+(?:,\d+)?\))?(?:\[\])*')
    for (line,) in ask(connection, POSTGRESQL):
        yield "".join(cast.sub("", line).replace("(", "").replace(")", "").split())


def sqlite_lines(connection):
    for type_, found, sql in ask(
        connection, "select type, name, sql from sqlite_master where name not like 'sqlite_' || '%'"
    ):
        yield type_ + " " + found
        if type_ != "table":
            yield found + " " + "".join((sql or "").split())
            continue
        quoted = '"' + found.replace('"', '""') + '"'
        for _, column, affinity, notnull, default, key in ask(connection, "pragma table_info(%s)" % quoted):
            yield " ".join(map(str, ("column", found, column, affinity, notnull, default, key)))
        for row in ask(connection, "pragma foreign_key_list(%s)" % quoted):
            yield " ".join(map(str, ("references", found) + tuple(row)[2:]))


def digest_of(connection):
    lines = sqlite_lines(connection) if kind == "sqlite" else postgresql_lines(connection)
    # The table of rows is alembic's, and is judged by its rows. On an empty database alembic has just made it.
    lines = (line for line in lines if "alembic_version" not in line)
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


class Run:
    """One run of the job: what it found before, and where it is."""

    def __init__(self):
        self.before, self.at, self.began = None, None, False

    def steps(self, script, heads, context):
        connection = context.connection
        self.one_transaction(context)
        self.lock(connection)
        skipped, todo = self.as_planned(script, heads, connection)
        mark = transaction_of(connection)
        self.began, total = True, len(skipped) + len(todo)
        work = [(revision, None) for revision in skipped] + [(step.revision, step) for step in todo]
        for number, (revision, step) in enumerate(work, 1):
            if revision.revision in OUTSIDE:
                raise OutOfBounds(revision, number - 1, total)
            with Timed(self, number, total, revision):
                if step is None:
                    revision.module.upgrade()
                else:
                    yield step
        self.at = None
        if SKIPPED and transaction_of(connection) != mark:
            raise RuntimeError("a revision ended the transaction by itself: part of the work may be there to stay")
        found = rows_of(connection)
        if found != {HEAD}:
            raise RuntimeError("alembic_version holds %s after the last revision (expected %s)" % (listed(found), HEAD))

    def as_planned(self, script, heads, connection):
        """Sees that database and package are what the plan relies on; returns what is to be run."""
        # An error of SQLAlchemy would quote the values of the statement, which may be anybody's data.
        connection.engine.hide_parameters = True
        found = rows_of(connection)
        if found != ROWS or heads != ROWS:
            raise Refused("alembic_version holds %s (expected %s)" % (listed(found), listed(ROWS)))
        tops = set(script.get_heads())
        if tops != {HEAD}:
            raise Refused("the package's head is %s (expected %s)" % (listed(tops), HEAD))
        todo = list(script._upgrade_revs("head", tuple(heads)))
        ids = [step.revision.revision for step in todo]
        if ids != PENDING:
            raise Refused(
                "alembic would run %s (expected %s)" % (" ".join(ids) or "nothing", " ".join(PENDING) or "nothing")
            )
        skipped = [self.skipped(script, one) for one in SKIPPED]
        in_order(script, skipped)
        self.before = digest_of(connection)
        return skipped, todo

    def one_transaction(self, context):
        if getattr(context, "_transaction_per_migration", False) or not context.impl.transactional_ddl:
            raise Refused("its env.py asks for several transactions (expected all revisions in one)")
        if kind == "sqlite":
            # Python's sqlite3 begins by itself only before rows change, so that a CREATE TABLE would be there to stay.
            driver = context.connection.connection
            driver = getattr(driver, "driver_connection", None) or driver.connection
            if not getattr(driver, "in_transaction", True):
                context.connection.exec_driver_sql("BEGIN IMMEDIATE")

    def lock(self, connection):
        """Released by the server with the transaction, however this process ends."""
        if kind != "sqlite" and not ask(connection, "select pg_try_advisory_xact_lock(%d)" % LOCK)[0][0]:
            raise Busy("another migration is at work on this database (it holds the advisory lock %d)" % LOCK)

    def skipped(self, script, one):
        from alembic.util import CommandError

        try:
            revision = script.get_revision(one)
        except CommandError:
            revision = None
        # alembic also takes the beginning of an identifier.
        if revision is None or revision.revision != one:
            raise Refused("the package has no revision %s (expected it below %s)" % (one, listed(ROWS)))
        with open(revision.path, encoding="utf8") as file:
            if "autocommit_block" in file.read():
                raise Refused("the skipped revision %s asks for a transaction of its own" % one)
        return revision


def below(script, one):
    """A revision and everything before it."""
    seen, left = set(), [one]
    while left:
        one = left.pop()
        if one not in seen:
            seen.add(one)
            left.extend(script.get_revision(one)._all_down_revisions)
    return seen


def in_order(script, skipped):
    """What was skipped lies below the rows, or alembic would run it again; and each after those that it follows."""
    applied = set().union(*(below(script, row) for row in ROWS))
    later = {revision.revision for revision in skipped}
    for revision in skipped:
        one = revision.revision
        if one not in applied:
            raise Refused("the revision %s is not below %s (expected it among those skipped)" % (one, listed(ROWS)))
        later.discard(one)
        early = below(script, one) & later
        if early:
            raise Refused("the skipped revision %s comes after %s (expected them in order)" % (one, listed(early)))


class Timed:
    """Says that a revision begins, and how long it took."""

    def __init__(self, run, number, total, revision):
        self.run, self.revision = run, revision
        self.count = "[%d/%d]" % (number, total)

    def __enter__(self):
        self.run.at = self.revision
        print("%s revision %s %s" % (self.count, self.revision.revision, one_line(self.revision.doc or "")))
        self.started = time.monotonic()

    def __exit__(self, kind_of, *_):
        if kind_of is None:
            took = (time.monotonic() - self.started) * 1000
            print("%s revision %s took %d ms" % (self.count, self.revision.revision, took))


def transaction_of(connection):
    return None if kind == "sqlite" else ask(connection, "select txid_current()::text")[0][0]


def where_in_revision(why, revision):
    place, trace = "", why.__traceback__
    while trace:
        file = trace.tb_frame.f_code.co_filename
        if revision is not None and file == revision.path:
            place = " at %s:%d" % (file, trace.tb_lineno)
        trace = trace.tb_next
    return place


def is_locked(why):
    return kind == "sqlite" and "database is locked" in str(why)


def carry_out(target):
    """Runs the job against a database; returns the digest of the schema that it leaves. Where it fails, it says what
    the database was left with, and exits."""
    run = Run()
    try:
        target.run(run.steps)
    except (Busy, Refused, OutOfBounds):
        raise
    except BaseException as why:
        if not run.began and is_locked(why):
            raise Busy("another process is writing to this database (SQLite: database is locked)")
        at = ""
        if run.at is not None:
            at = "revision %s (%s)%s: " % (run.at.revision, one_line(run.at.doc or ""), where_in_revision(why, run.at))
        complain("%s%s: %s" % (at, type(why).__name__, one_line(why)))
        if run.began:
            told_after_failure(target, run)
        else:
            complain("no revision was run: the database is as it was")
        raise SystemExit(1)
    rows, digest = target.look()
    if rows != {HEAD}:
        raise SystemExit("alembic_version holds %s after the migration (expected %s)" % (listed(rows), HEAD))
    return digest


def told_after_failure(target, run):
    try:
        rows, digest = target.look()
    except BaseException as why:
        complain("the database could not be read again: %s: %s" % (type(why).__name__, one_line(why)))
        return
    if rows == ROWS and digest == run.before:
        complain("rolled back: alembic_version holds %s, and the schema is as it was before" % listed(rows))
    else:
        complain(
            "NOT ROLLED BACK: alembic_version holds %s (before: %s), the schema is %s; restore the backup before "
            "anything is started" % (listed(rows), listed(ROWS), "as before" if digest == run.before else "another one")
        )


def migrate():
    target = Target(None, name)
    print("schema", carry_out(target) if UPSTREAM is None else by_upstream(target))


# ---- rehearsal


def text_of(literal):
    return "'" + literal.replace("'", "''") + "'"


def name_of(identifier):
    return '"' + identifier.replace('"', '""') + '"'


def tool(words, what):
    """Runs a tool of PostgreSQL with the password in its environment; its words are ours to print."""
    if not shutil.which(words[0]):
        raise Refused("the host has no %s, which %s needs" % (words[0], what))
    done = subprocess.run(
        words, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    if done.returncode:
        raise Refused("%s failed: %s" % (what, one_line(done.stderr.decode("utf8", "replace"))))
    return done.stdout.decode("utf8", "replace")


def sql(query, what, database=None):
    words = ["psql", "-XAtqw", "-v", "ON_ERROR_STOP=1", "-d", database or name, "-c", query]
    return [line.split("|") for line in tool(words, what).splitlines()]


class PostgresqlCopy:
    def __init__(self, scratch):
        self.scratch = scratch
        self.target = Target(url._replace(path="/" + quote(scratch, safe="")).geturl(), scratch)
        # `geturl` leaves out the empty authority of postgresql:///name?host=/run/postgresql.
        if "://" not in self.target.url:
            self.target.url = self.target.url.replace(":", "://", 1)

    def clear(self):
        """Drops what a killed rehearsal left, and nothing else."""
        found = sql(
            "select coalesce(shobj_description(oid, 'pg_database'), ''), datconnlimit from pg_database where datname = "
            + text_of(self.scratch),
            "looking for %s" % self.scratch,
        )
        if not found:
            return
        comment, limit = "|".join(found[0][:-1]), found[0][-1]
        if not comment.startswith(MARK):
            empty = (
                "select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace "
                "where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"
            )
            if limit != str(MARK_LIMIT) or sql(empty, "looking into %s" % self.scratch, self.scratch)[0][0] != "0":
                raise Refused(
                    'there is a database %s that no rehearsal has made (its comment does not begin with "%s"); it was '
                    "not touched: declare another scratch database, or drop it yourself" % (self.scratch, MARK)
                )
        print("dropping %s, which an earlier rehearsal left" % self.scratch)
        self.drop()

    def drop(self):
        sql(
            "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = "
            + text_of(self.scratch),
            "ending what is connected to %s" % self.scratch,
        )
        sql("drop database if exists " + name_of(self.scratch), "dropping %s" % self.scratch)

    def room(self):
        size = int(sql("select pg_database_size(current_database())", "asking for the database's size")[0][0])
        told = "it needs about %d MiB on the database server" % (size // (1 << 20) + 1)
        # Only a server on this very machine has its files where this process can ask how much room there is.
        here = sql(
            "select inet_server_addr() is null or inet_server_addr() = inet_client_addr()", "asking for the server"
        )
        try:
            if here[0][0] != "t":
                raise Refused("the server is another machine")
            place = sql("show data_directory", "asking for the data directory")[0][0]
            free = shutil.disk_usage(place).free
        except (Refused, OSError) as why:
            print("room: %s; how much is free there can't be told from here (%s)" % (told, one_line(why)))
            return
        print("room: %s, where %d MiB are free" % (told, free // (1 << 20)))
        if free < size + size // 10:
            raise Refused("%s holds %d MiB free: too little for a copy; %s" % (place, free // (1 << 20), told))

    def make(self, backup):
        like = sql(
            "select pg_encoding_to_char(encoding), datcollate, datctype from pg_database "
            "where datname = current_database()",
            "asking for the encoding",
        )[0]
        # template0, because a site's template1 may hold what the backup brings itself.
        sql(
            "create database %s template template0 encoding %s lc_collate %s lc_ctype %s connection limit %d"
            % ((name_of(self.scratch),) + tuple(map(text_of, like)) + (MARK_LIMIT,)),
            "creating %s (its user needs CREATEDB)" % self.scratch,
        )
        sql(
            "comment on database %s is %s"
            % (name_of(self.scratch), text_of("%s of %s: may be dropped" % (MARK, name))),
            "marking %s" % self.scratch,
        )
        # Roles of the source need not be the ones that may be set here, and a copy that lives for minutes needs neither
        # owners nor grants. A restored subscription would connect to its publisher, and only the owner of an extension
        # may comment on it.
        tool(
            [
                "pg_restore",
                "-w",
                "--exit-on-error",
                "--no-owner",
                "--no-privileges",
                "--no-comments",
                "--no-publications",
                "--no-subscriptions",
                "-d",
                self.scratch,
                backup,
            ],
            "restoring %s into %s" % (backup, self.scratch),
        )


class SqliteCopy:
    def __init__(self, scratch):
        self.scratch = os.path.realpath(scratch)
        self.part = self.scratch + ".converge-part"
        self.target = Target(raw.split("://", 1)[0] + ":///" + self.scratch, self.scratch)

    def clear(self):
        import sqlite3

        if os.path.exists(self.part):
            os.remove(self.part)
        if not os.path.exists(self.scratch):
            return
        database = sqlite3.connect("file:" + quote(self.scratch) + "?mode=ro", uri=True)
        try:
            mark = database.execute("pragma application_id").fetchone()[0]
        except sqlite3.Error as why:
            mark = str(why)
        database.close()
        if mark != MARK_SQLITE:
            raise Refused(
                "there is a file %s that no rehearsal has made; it was not touched: declare another one, or "
                "remove it yourself" % self.scratch
            )
        print("removing %s, which an earlier rehearsal left" % self.scratch)
        self.drop()

    def drop(self):
        for suffix in ("-journal", "-wal", "-shm", ""):
            if os.path.exists(self.scratch + suffix):
                os.remove(self.scratch + suffix)

    def room(self):
        place, size = os.path.dirname(self.scratch), os.path.getsize(JOB["backup"])
        free = shutil.disk_usage(place).free
        print(
            "room: it needs about %d MiB in %s, where %d MiB are free"
            % (size // (1 << 20) + 1, place, free // (1 << 20))
        )
        if free < size + size // 10:
            raise Refused("%s has too little room for a copy" % place)

    def make(self, backup):
        import sqlite3

        source, copy = sqlite3.connect("file:" + quote(backup) + "?mode=ro", uri=True), sqlite3.connect(self.part)
        source.backup(copy)
        copy.execute("pragma application_id = %d" % MARK_SQLITE)
        copy.commit()
        copy.close()
        source.close()
        # Fails where a file of that name has come up meanwhile, which a rename would replace.
        os.link(self.part, self.scratch)
        os.remove(self.part)


def rehearse():
    backup, scratch = JOB["backup"], JOB["scratch"]
    if UPSTREAM is not None:
        raise Refused("upstream's own command can't be tried on a copy: it works on the database that alembic.ini names")
    if not os.path.isfile(backup):
        raise Refused("there is no backup %s" % backup)
    copy = SqliteCopy(scratch) if kind == "sqlite" else PostgresqlCopy(scratch)
    if copy.target.database == name:
        raise Refused("the scratch database is the database itself (%s)" % name)

    def stop(number, _):
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, stop)
    copy.clear()
    copy.room()
    failed, digest, part = True, None, None
    try:
        started = time.monotonic()
        copy.make(backup)
        print("restored %.1f" % (time.monotonic() - started))
        started = time.monotonic()
        try:
            digest = carry_out(copy.target)
        except OutOfBounds as why:
            part = why
        took, failed = time.monotonic() - started, False
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        try:
            copy.drop()
        except (Refused, OSError) as why:
            complain("%s is left: %s; the next rehearsal drops it" % (scratch, one_line(why)))
        if failed:
            complain("the rehearsal failed; %s itself was not touched" % name)
    if part is not None:
        revision = part.revision
        print(
            "%s (%s) reaches outside of the database, and was not run; %d of %d revisions were"
            % (revision.revision, one_line(revision.doc or ""), part.ran, part.total)
        )
        print("rehearsed part %.1f" % took)
    else:
        print("rehearsed ok %.1f" % took)
        print("schema", digest)


def plainly(why_type, why, _):
    complain("%s: %s" % (why_type.__name__, one_line(why)))


sys.excepthook = plainly
try:
    if kind not in ("postgresql", "sqlite"):
        raise Refused("databases of kind %s are not supported" % kind)
    if kind != JOB["kind"]:
        raise Refused("the database is of kind %s (expected %s)" % (kind, JOB["kind"]))
    {"migrate": migrate, "rehearse": rehearse}[JOB["verb"]]()
except Busy as why:
    complain(one_line(why))
    sys.exit(BUSY)
except Refused as why:
    complain("refused before anything was changed:", one_line(why))
    sys.exit(1)
