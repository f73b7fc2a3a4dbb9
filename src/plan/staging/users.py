# Which processes run from which environment.
import os


def start_of(pid):
    with open("/proc/%s/stat" % pid, "rb") as file:
        return int(file.read().rsplit(b")", 1)[1].split()[19])


def users_of(place):
    # A process that started through the link shows the environment in what it has mapped; one that names it, in its
    # command line or program.
    needle = place.encode() + b"/"
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) == os.getpid():
            continue
        seen = b""
        for name in ("cmdline", "maps"):
            try:
                with open("/proc/%s/%s" % (pid, name), "rb") as file:
                    seen += file.read() + b"\0"
            except OSError:
                pass
        try:
            seen += os.readlink(("/proc/%s/exe" % pid).encode())
        except OSError:
            pass
        if needle in seen:
            found.append(int(pid))
    return found
