# Removes old environments beside LINK, all but the KEEP that were last in use. Never the one that LINK leads to, one
# of NEVER, one that a process runs from, or one that converge neither made nor replaced.
import fcntl, re, shutil, sys, time
from glob import escape, glob

link, keep, never = sys.argv[1], int(sys.argv[2]), set(map(os.path.realpath, sys.argv[3:]))
if not os.path.islink(link):
    print("note: %s is no link to an environment: nothing is removed beside it" % link)
    raise SystemExit(0)
never.add(os.path.realpath(link))
if os.path.isdir(link + ".converge-new") and not os.path.islink(link + ".converge-new"):
    # A switch that was killed between its two steps.
    print("note: %s.converge-new holds an environment; the next switch puts it where it belongs" % link)


def begun_before_the_switch():
    # Through the link, and before it led where it leads now: which environment that is can't be told.
    with open("/proc/uptime") as file:
        up = float(file.read().split()[0])
    switched = (os.lstat(link).st_mtime - (time.time() - up)) * os.sysconf("SC_CLK_TCK")
    old = []
    for pid in users_of(link):
        try:
            # A second of grace: both are rounded.
            if start_of(pid) < switched - os.sysconf("SC_CLK_TCK"):
                old.append(pid)
        except OSError:
            pass
    return old


def remove(place):
    note = place + ".building"
    # The mark goes first and the note last: what is half removed is never taken for whole.
    with open(note, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("note: %s is being worked on, and stays" % place)
            return
        for name in ("converge.json", "converge.json.part"):
            if os.path.exists(place + "/" + name):
                os.unlink(place + "/" + name)
        shutil.rmtree(place)
        os.unlink(note)
    print("removed", place)


old, failed = [], 0
for place in glob(escape(link) + "-*"):
    # Named after a release, as PEP 440 normalises it: `.venv-tools-1.0` belongs to `.venv-tools`.
    if not re.fullmatch(r"[0-9][0-9A-Za-z.!+]*", place[len(link) + 1 :]):
        continue
    if os.path.islink(place) or not os.path.isfile(place + "/pyvenv.cfg") and not os.path.exists(place + ".building"):
        continue
    if not os.path.isdir(place) or os.path.realpath(place) in never:
        continue
    marker = place + "/converge.json"
    if os.path.exists(marker):
        old.append((-os.stat(marker).st_mtime, place))
    elif os.path.exists(place + ".building"):
        # Half made or half removed: no way back.
        old.append((float("inf"), place))
    else:
        print("note: %s was not made by converge, and stays" % place)
old.sort()
whole = [entry for entry in old if entry[0] != float("inf")]
goes = [place for entry, place in old[min(keep, len(whole)) :]]
running = begun_before_the_switch() if goes else []
if running:
    print("note: processes from before the switch still run (%s): nothing is removed" % ", ".join(map(str, running)))
    goes = []
for place in goes:
    users = users_of(os.path.realpath(place))
    if users:
        print("note: %s stays: processes run from it (%s)" % (place, ", ".join(map(str, users))))
        continue
    try:
        remove(place)
    except OSError as error:
        print("%s can't be removed: %s" % (place, error), file=sys.stderr)
        failed = 1
raise SystemExit(failed)
