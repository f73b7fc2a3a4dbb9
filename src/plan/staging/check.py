# Holds a new environment against what it should be, and marks it as whole. Runs in the environment itself.
import importlib.metadata as metadata
import json, os, re, subprocess, sys, time
from glob import glob
from pip._vendor.packaging.specifiers import SpecifierSet
from pip._vendor.packaging.version import Version

spec = json.loads(sys.argv[1])
target, current = spec["target"], spec["current"]
python = ".".join(map(str, sys.version_info[:3]))
problems = []


def normalized(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def try_out(what, code):
    # A process each: what one import does to the interpreter is not to help or harm the next.
    try:
        tried = subprocess.run(
            [target + "/bin/python", "-I", "-c", code],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
        )
    except subprocess.TimeoutExpired:
        problems.append(what + " took longer than 120 s")
        return
    if tried.returncode:
        said = tried.stdout.decode("utf8", "replace").strip().splitlines() or ["status %d" % tried.returncode]
        problems.append("%s: %s" % (what, said[-1][:400]))


def modules_of(distribution):
    # What can be imported of it without importing something else first: packages that no package of it holds (those of
    # a namespace lie below directories without __init__), and modules beside them.
    names = set()
    for file in distribution.files or []:
        parts = file.parts
        if parts[0] in ("..", "/") or parts[0].endswith((".dist-info", ".data")) or "__pycache__" in parts:
            continue
        stem = parts[-1].split(".")[0]
        if parts[-1].endswith((".py", ".so")) and all(part.isidentifier() for part in parts[:-1] + (stem,)):
            names.add(parts[:-1] + (stem,))
    packages = {name[:-1] for name in names if name[-1] == "__init__"}

    def held(name):
        return any(name[:length] in packages for length in range(1, len(name)))

    # A module below a directory that is no package isn't meant to be imported by itself.
    alone = {name for name in names if len(name) == 1 and name not in packages and name[0] not in ("__init__", "__main__")}
    roots = {name for name in packages if name and not held(name)} | alone
    return sorted(".".join(name) for name in roots) or sorted(
        ".".join(name) for name in names if not held(name) and name[-1] != "__main__"
    )


found = {}
for distribution in metadata.distributions():
    name = distribution.metadata["Name"]
    if name is None:
        problems.append("a distribution without a name: %s" % getattr(distribution, "_path", "?"))
        continue
    found.setdefault(normalized(name), distribution)
    wanted = distribution.metadata["Requires-Python"]
    if wanted and not SpecifierSet(wanted).contains(python, prereleases=True):
        problems.append("%s %s requires Python %s, and this is %s" % (name, distribution.version, wanted, python))

for package, release in spec["packages"].items():
    distribution = found.get(normalized(package))
    if distribution is None:
        problems.append("%s is not installed (expected %s)" % (package, release))
        continue
    if Version(distribution.version) != Version(release):
        problems.append("%s is %s (expected %s)" % (package, distribution.version, release))
    if spec["marked"]:
        continue
    modules = modules_of(distribution)
    if not modules:
        print("note: %s holds nothing that can be imported" % package)
    for module in modules:
        try_out("import " + module, "import " + module)
    for point in distribution.entry_points:
        if point.group != "console_scripts":
            continue
        code = "from importlib.metadata import EntryPoint as E; E(%r, %r, %r).load()"
        try_out("command %s (%s)" % (point.name, point.value), code % (point.name, point.value, point.group))
        script = target + "/bin/" + point.name
        try:
            with open(script, "rb") as file:
                head = file.read(4096)
        except OSError as error:
            problems.append("command %s: %s" % (point.name, error))
            continue
        # Where the path is too long or holds blanks, the script is one of a shell, and quotes it.
        quotes = b"'\"\\"
        if (target + "/bin/python").encode().translate(None, quotes) not in head.translate(None, quotes):
            problems.append("%s starts another Python than that of %s" % (script, target))

if problems:
    raise SystemExit("%s is not fit to run:\n  %s" % (target, "\n  ".join(problems)))
if spec["marked"]:
    raise SystemExit(0)


# What nobody requires was put there by someone, for a reason that can't be read from the environment.
def site(place):
    return glob(place + "/lib/python3*/site-packages")


before, required = {}, set()
for distribution in metadata.distributions(path=site(current)):
    name = distribution.metadata["Name"]
    if name:
        before[normalized(name)] = distribution.version
        for requirement in distribution.requires or []:
            required.add(normalized(re.match(r"[A-Za-z0-9._-]*", requirement).group()))
tools = {"pip", "setuptools", "wheel", "uv"}
left = sorted(name for name in before if name not in found and name not in required and name not in tools)
for name in left:
    print("note: %s %s of %s was not carried over, and nothing there requires it" % (name, before[name], current))

# The files reach the disk before the mark that says that they are there.
os.sync()
mark = {
    "release": spec["release"],
    "packages": spec["packages"],
    "from": os.path.realpath(current),
    "made_at": int(time.time()),
    "left": left,
}
part = target + "/converge.json.part"
with open(part, "w") as file:
    json.dump(mark, file, indent=1, sort_keys=True)
    file.write("\n")
    file.flush()
    os.fsync(file.fileno())
os.replace(part, target + "/converge.json")
directory = os.open(target, os.O_RDONLY)
os.fsync(directory)
print("made", target, "with Python", python)
