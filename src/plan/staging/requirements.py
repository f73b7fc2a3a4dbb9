# Prints what a new environment needs: the moved packages, and what is carried over from the environment before.
import json, os, re, sys
from glob import glob

spec = json.loads(sys.argv[1])


def normalized(name):
    return re.sub(r"[-_.]+", "-", name).lower()


before = {}
for place in glob(spec["current"] + "/lib/python3*/site-packages/*.dist-info"):
    stem = os.path.basename(place)[: -len(".dist-info")]
    name, _, version = stem.rpartition("-")
    # What a killed pip moved aside, or never finished, tells nothing.
    if name and not name.startswith("~") and os.path.exists(place + "/RECORD"):
        before.setdefault(normalized(name), set()).add(version)

for name, version in spec["packages"].items():
    print(name + "==" + version)
for name in spec["same"]:
    versions = before.get(normalized(name), set())
    if len(versions) != 1:
        found = "nothing of it" if not versions else "several versions: " + ", ".join(sorted(versions))
        raise SystemExit(
            "carry: %s is to be carried over from %s, and there is %s. Declare %s==VERSION, or take it out of carry."
            % (name, spec["current"], found, name)
        )
    print(name + "==" + versions.pop())
for requirement in spec["requirements"]:
    print(requirement)
