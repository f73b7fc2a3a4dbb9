# Upstream's own command for revisions that were left out, where that is declared: Backend.AI's `mgr schema
# apply-missing-revisions VERSION` instead of one transaction of converge's. Sent to hosts in front of schema_job.py, whose
# names it uses.
SPELLINGS = ("apply-missing-revisions", "apply-mission-revisions")
# Where all that it says goes, in the directory that alembic is run from.
SAID = "converge-upstream.log"


class Held:
    """The advisory lock while other programs work on the database: a psql holds it that waits for input. What it reads
    from is open here and in those programs, so that it goes with the last of them, however they end."""

    def __enter__(self):
        self.psql, self.open = None, []
        if kind == "sqlite":
            return self
        words = ["psql", "-XAtqw", "-v", "ON_ERROR_STOP=1", "-d", name]
        try:
            self.psql = subprocess.Popen(
                words,
                env={**os.environ, **env},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except OSError as why:
            raise Refused("psql, which holds the lock, can't be run: %s" % why)
        self.open = [self.psql.stdin.fileno()]
        try:
            self.psql.stdin.write(b"select pg_try_advisory_lock(%d);\n" % LOCK)
            self.psql.stdin.flush()
        except OSError:
            pass
        told = self.psql.stdout.readline().decode("utf8", "replace").strip()
        if told != "t":
            self.__exit__()
            if told == "f":
                raise Busy("another migration is at work on this database (it holds the advisory lock %d)" % LOCK)
            raise Refused("psql could not take the lock: %s" % one_line(told))
        return self

    def __exit__(self, *_):
        if self.psql is not None:
            try:
                self.psql.stdin.close()
            except OSError:
                pass
            self.psql.wait()

    def run(self, words):
        """Runs a command and returns its status. What it says is shown up to an error, which quotes the values of the
        statement, anybody's data maybe: the rest is for whoever may read a file of this user's."""
        # The shell's own lock on this directory as well: see `lock` in script.rs.
        kept = self.open + ([9] if os.path.exists("/proc/self/fd/9") else [])
        print("running", " ".join(words))
        child = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=kept
        )
        quoting = False
        try:
            said = open(os.open(SAID, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb")
        except OSError as why:
            said = open(os.devnull, "wb")
            complain("%s can't be written: %s" % (os.path.abspath(SAID), why))
        with said:
            for line in child.stdout:
                said.write(line)
                quoting = quoting or line.startswith(b"Traceback ")
                if not quoting:
                    print(line.decode("utf8", "replace").rstrip())
        if quoting:
            complain("what it said of its failure, values of rows included, is at the end of %s" % os.path.abspath(SAID))
        return child.wait()


def upstream_command():
    """The command by the name that the installed package offers."""
    program = os.path.join(os.path.dirname(sys.executable), "backend.ai")
    words = [program, "mgr", "schema"]
    try:
        # Some releases end with a signal when all is said: what they print counts.
        done = subprocess.run(
            words + ["--help"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120
        )
    except (OSError, subprocess.TimeoutExpired) as why:
        raise Refused("%s can't be asked for its commands: %s" % (program, one_line(why)))
    told = done.stdout.decode("utf8", "replace")
    for spelling in SPELLINGS:
        if re.search(r"^\s+%s(\s|$)" % spelling, told, re.M):
            return words + [spelling, UPSTREAM, "-f", ini]
    raise Refused("`%s --help` names no %s; it says: %s" % (" ".join(words), SPELLINGS[0], one_line(told)))


def would_run(script):
    """What upstream's command would run: everything that the history of the release lacks."""
    file = os.path.join(script.dir, "revision_history", UPSTREAM + ".json")
    try:
        with open(file, encoding="utf8") as opened:
            past = {one["revision"] for one in json.load(opened)["revisions"]}
    except (OSError, ValueError, KeyError, TypeError) as why:
        raise Refused("the history %s can't be read: %s: %s" % (file, type(why).__name__, one_line(why)))
    own = {revision.revision for revision in script.walk_revisions()}
    if past - own:
        raise Refused("%s names revisions that the package doesn't have: %s" % (file, listed(past - own)))
    return own - past


def by_upstream(target):
    """Not atomic: the command and the stamp are two transactions at least. A failure is never followed by a stamp."""
    run = Run()

    def look(script, heads, context):
        run.as_planned(script, heads, context.connection)
        found = would_run(script)
        if found != set(SKIPPED) | set(PENDING):
            raise Refused(
                "%s would run %s (expected %s)" % (SPELLINGS[0], listed(found), listed(set(SKIPPED) | set(PENDING)))
            )
        return []

    def failed(what):
        complain(what)
        told_after_failure(target, run)
        raise SystemExit(1)

    words = upstream_command()
    with Held() as held:
        target.run(look, dont_mutate=True)
        status = held.run(words)
        if status:
            failed("%s ended with %d; nothing was stamped" % (words[3], status))
        rows = target.look()[0]
        if HEAD not in rows:
            failed("%s ended with 0, and alembic_version holds %s; nothing was stamped" % (words[3], listed(rows)))
        status = held.run([sys.executable, "-m", "alembic", "-c", ini, "stamp", "--purge", "head"])
        if status:
            failed("alembic stamp ended with %d" % status)
        rows, digest = target.look()
        if rows != {HEAD}:
            failed("alembic_version holds %s after the stamp (expected %s)" % (listed(rows), HEAD))
    return digest


