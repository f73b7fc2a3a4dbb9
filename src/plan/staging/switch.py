# Lets LINK lead to TARGET. What LINK is now, a link or the environment itself, is kept: an environment goes to ASIDE.
# Every step leaves something that the next call goes on from.
import ctypes, errno, json, os, sys, time

link, target, aside = sys.argv[1:4]
beside = link + ".converge-new"
parent = os.path.dirname(link)


def fail(message):
    raise SystemExit(message)


def is_environment(place):
    return os.path.isdir(place) and not os.path.islink(place) and os.path.isfile(place + "/pyvenv.cfg")


def sync(place):
    directory = os.open(place, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def mark(place, goes_to=None):
    # The moment at which it was last in use; one that somebody else made is marked as such, so that it can be told from
    # what is half made. Where it goes to stands in it, for whoever finds it on the way.
    marker = place + "/converge.json"
    try:
        if os.path.exists(marker) and goes_to is None:
            os.utime(marker)
            return
        adopted = {"adopted": True, "release": None, "packages": {}, "made_at": int(time.time()), "aside": goes_to}
        with open(marker + ".part", "w") as file:
            json.dump(adopted, file, indent=1, sort_keys=True)
            file.write("\n")
        os.replace(marker + ".part", marker)
    except OSError as error:
        print("note: %s can't be marked as one that was in use (%s); it will not be removed by itself" % (place, error))


def unmark(place):
    # It stays what it was: nobody's mark on it.
    try:
        os.unlink(place + "/converge.json")
    except OSError:
        pass


def put_aside(place, aside):
    if os.path.lexists(aside):
        fail(
            "%s holds the environment from before, and %s, where it belongs, is there already: nothing was removed. "
            "Look at both, and move one away." % (place, aside)
        )
    try:
        os.rename(place, aside)
    except OSError as error:
        refuse(error, place)
    sync(parent)


def refuse(error, place):
    if error.errno == errno.EXDEV:
        fail(
            "%s is a directory of a lower layer of an overlay file system, which can't be renamed (EXDEV). "
            "Nothing was changed. Copy it, so that it lies in the upper layer, or declare another `venv`." % place
        )
    fail("%s can't be renamed: %s. %s" % (place, error.strerror, state()))


def state():
    kind = "a link to " + os.readlink(link) if os.path.islink(link) else "there" if os.path.exists(link) else "missing"
    return "%s is %s; type the same command again to go on." % (link, kind)


def exchange(one, other):
    # renameat2(2) with RENAME_EXCHANGE: at no time is the path without an environment.
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return errno.ENOSYS
    at_cwd, swap = -100, 2
    return 0 if call(at_cwd, os.fsencode(one), at_cwd, os.fsencode(other), swap) == 0 else ctypes.get_errno()


if is_environment(beside):
    # An earlier call was killed between the exchange and the rename that follows it.
    try:
        with open(beside + "/converge.json") as file:
            belongs = json.load(file).get("aside")
    except (OSError, ValueError):
        belongs = None
    if not belongs:
        fail("%s holds an environment, and it doesn't say where it belongs. Nothing was changed: move it away." % beside)
    put_aside(beside, belongs)
if not is_environment(os.path.realpath(target)) or not os.access(target + "/bin/python", os.X_OK):
    fail("%s is no environment with a Python that starts. Nothing was changed. %s" % (target, state()))
if os.path.islink(link) and os.path.realpath(target) == os.path.realpath(link):
    if os.path.islink(beside):
        os.unlink(beside)
    print(link, "leads to", target)
    raise SystemExit(0)

to = os.path.basename(target) if os.path.dirname(target) == parent else target
if os.path.islink(beside):
    os.unlink(beside)
elif os.path.lexists(beside):
    fail("%s is in the way, and converge didn't make it. Nothing was changed: move it away." % beside)
os.symlink(to, beside)

if os.path.islink(link):
    before = os.path.realpath(link)
    if is_environment(before):
        mark(before)
    os.replace(beside, link)
elif is_environment(link):
    if os.path.lexists(aside):
        os.unlink(beside)
        fail("%s is there already, where the environment %s belongs. Nothing was changed: move it away." % (aside, link))
    mark(link, aside)
    code = exchange(beside, link)
    if code == 0:
        sync(parent)
        put_aside(beside, aside)
    elif code in (errno.ENOSYS, errno.EINVAL, errno.EPERM):
        # No such call here, or not on this file system: for a moment, the path is missing.
        try:
            os.rename(link, aside)
        except OSError as error:
            os.unlink(beside)
            unmark(link)
            refuse(error, link)
        os.replace(beside, link)
    else:
        os.unlink(beside)
        unmark(link)
        refuse(OSError(code, os.strerror(code)), link)
elif not os.path.lexists(link):
    # Killed between the two renames, or never there.
    os.replace(beside, link)
else:
    os.unlink(beside)
    fail("%s is neither an environment nor a link to one. Nothing was changed: move it away." % link)
sync(parent)
print(link, "leads to", target)
