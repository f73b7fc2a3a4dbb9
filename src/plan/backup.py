# What plan/backup.rs renders: runs on the host, behind DATABASE_URL_PY, which defines kind, name and env.
import re
import subprocess as S

out, wanted, keep = sys.argv[3:6]
snapshots = sys.argv[6:]
part = out + ".part"
place, ext = os.path.dirname(out), out.rsplit(".", 1)[1]

# Every table whose rows a dump holds; what belongs to an extension comes back with it.
TABLES = """select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')"""

if kind != wanted:
    raise OSError("the database is no longer " + wanted)


def run(*command, **more):
    ended = S.run(command, env={**os.environ, **env}, stdin=S.DEVNULL, **more)
    if ended.returncode:
        raise OSError("%s ended with %d" % (command[0], ended.returncode))
    return ended.stdout


def dump_postgresql():
    # Counted before: a table that comes while the dump is made may be in it or not.
    tables = int(run("psql", "-XAtqw", "-c", TABLES, stdout=S.PIPE))
    run("pg_dump", "-w", "-Fc", "-f", part)
    # Reading the directory of the archive proves that it is one and that its end was written.
    listed = run("pg_restore", "--list", part, stdout=S.PIPE, universal_newlines=True)
    held = re.findall(r"^\d+; \d+ \d+ TABLE DATA (?:\S+) (\S+)", listed, re.M)
    if "alembic_version" not in held:
        raise OSError("the backup holds no rows of a table alembic_version")
    if len(held) < tables:
        raise OSError("the backup holds the rows of %d tables, and there are %d" % (len(held), tables))


def copy_sqlite():
    # Not every Python has it, and PostgreSQL doesn't need it.
    import sqlite3

    try:
        source = sqlite3.connect("file:" + name + "?mode=ro", uri=True, timeout=60)
        copy = sqlite3.connect(part)
        source.backup(copy)
        told = copy.execute("pragma integrity_check").fetchone()[0]
        things = "select type, name from sqlite_master order by 1, 2"
        whole = copy.execute(things).fetchall() == source.execute(things).fetchall()
        copy.close()
    except sqlite3.Error as error:
        raise OSError("SQLite: %s" % error)
    if told != "ok" or not whole:
        raise OSError("the copy is damaged: " + (told if told != "ok" else "it lacks tables"))


def tidy():
    """Removes what is too old, and only what a run made: its names are told apart by release and time."""
    stem = re.compile(re.escape(os.path.basename(name)) + r"-(?:before|rehearsal)-([0-9v].*)-(\d{8}T\d{6}Z)\Z")
    suffixes = ["." + one for one in [ext] + snapshots]
    now = os.stat(out).st_mtime
    kept = []
    for file in os.listdir(place):
        path = os.path.join(place, file)
        for suffix in suffixes:
            for end in ("", ".part", ".sha256.part"):
                if not file.endswith(suffix + end):
                    continue
                found = stem.match(file[: -len(suffix + end)])
                # A database whose name begins with this one's has files that read alike.
                if not found or re.search("-(before|rehearsal)-", found.group(1)):
                    continue
                if os.path.islink(path) or not os.path.isfile(path):
                    continue
                # Written to within a day, another run may still be at it.
                if end and now - os.stat(path).st_mtime > 86400:
                    remove(path)
                elif not end and suffix == "." + ext and path != out:
                    kept.append((found.group(2), os.stat(path).st_mtime, path))
    for _, _, path in sorted(kept, reverse=True)[int(keep) :]:
        # The backup goes last: a run that is killed in between finds it again, and with it the rest.
        for suffix in ["." + one for one in snapshots] + ["." + ext]:
            beside = path[: -len(ext) - 1] + suffix
            for one in (beside + ".sha256", beside):
                if os.path.isfile(one):
                    remove(one)


def remove(path):
    try:
        os.remove(path)
        print("removed", path)
    except OSError as error:
        print("an old file could not be removed:", error)


os.umask(0o077)
os.makedirs(place, exist_ok=True)
# What a killed run left must not be taken for what this one writes. The empty file tells what time it is there.
for left in (part, part + "-journal"):
    if os.path.exists(left):
        os.remove(left)
open(part, "wb").close()
begun = os.stat(part).st_mtime
if kind == "sqlite":
    copy_sqlite()
else:
    dump_postgresql()
made = os.stat(part)
if not made.st_size:
    raise OSError("the backup is empty")
if made.st_mtime < begun:
    raise OSError("the backup is older than this run")
with open(part, "rb") as file:
    os.fsync(file.fileno())
os.replace(part, out)
d = os.open(place, os.O_RDONLY)
os.fsync(d)
print("backup", out, os.path.getsize(out))
# It is made and counts, whatever becomes of the old ones.
try:
    tidy()
except OSError as error:
    print("old backups could not be looked at:", error)
