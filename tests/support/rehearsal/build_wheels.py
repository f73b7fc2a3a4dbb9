"""Builds the wheels of the rehearsal cluster from `packages/`, with the standard library alone.

Usage: build_wheels.py PACKAGES WHEELHOUSE

A wheel is a zip archive with METADATA, WHEEL, entry_points.txt and RECORD (PEP 427); RECORD holds the digest and size of
every file but itself. Time stamps are fixed, so the same sources give the same bytes.
"""

import base64
import hashlib
import os
import sys
import zipfile

# 25.6.3 was never published, as some releases of real products were not.
RELEASES = ["25.6.1", "25.6.2", "25.6.4", "25.7.0"]
# The first release that carries a migration; those that are not named are in every release.
REVISIONS = {"b5907f1e2c6a": "25.6.2", "d72b84a3f05e": "25.6.4", "e0c9163d7b48": "25.6.4", "f6183be5c27d": "25.7.0"}
# The directory of each distribution, the module of its server, and what it needs apart from its sibling.
DISTRIBUTIONS = {
    "rehearsal-common": ("common", None, []),
    "rehearsal-manager": ("manager", "rehearsal.manager.server", ["alembic>=1.13", "SQLAlchemy>=2.0"]),
    "rehearsal-storage-proxy": ("storage_proxy", "rehearsal.storage.server", []),
    "rehearsal-webserver": ("webserver", "rehearsal.web.server", []),
}


def sources(directory, release):
    """Yields the name in the archive and the content of each file that this release carries."""
    for parent, children, names in os.walk(directory):
        children[:] = sorted(child for child in children if child != "__pycache__")
        for name in sorted(names):
            first = REVISIONS.get(name.split("_")[0], release)
            if RELEASES.index(first) > RELEASES.index(release) or name.endswith(".pyc"):
                continue
            path = os.path.join(parent, name)
            with open(path, "rb") as file:
                content = file.read()
            yield os.path.relpath(path, directory), content.replace(b"@RELEASE@", release.encode())


def build(packages, wheelhouse, distribution, release):
    directory, module, needs = DISTRIBUTIONS[distribution]
    if distribution != "rehearsal-common":
        needs = [f"rehearsal-common=={release}", *needs]
    stem = f"{distribution.replace('-', '_')}-{release}"
    metadata = [
        "Metadata-Version: 2.1",
        f"Name: {distribution}",
        f"Version: {release}",
        "Summary: A component of converge's rehearsal cluster",
        "Requires-Python: >=3.9",
        *(f"Requires-Dist: {need}" for need in needs),
        "",
    ]
    files = dict(sources(os.path.join(packages, directory), release))
    files[f"{stem}.dist-info/METADATA"] = "\n".join(metadata).encode()
    wheel = "Wheel-Version: 1.0\nGenerator: rehearsal\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{stem}.dist-info/WHEEL"] = wheel.encode()
    if module:
        entry = f"[console_scripts]\n{distribution} = {module}:main\n"
        files[f"{stem}.dist-info/entry_points.txt"] = entry.encode()
    record = f"{stem}.dist-info/RECORD"
    lines = [f"{name},{digest(content)},{len(content)}\n" for name, content in files.items()]
    files[record] = "".join([*lines, f"{record},,\n"]).encode()

    target = os.path.join(wheelhouse, f"{stem}-py3-none-any.whl")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, (2025, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o100644 << 16
            archive.writestr(info, content)


def digest(content):
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


if __name__ == "__main__":
    os.makedirs(sys.argv[2], exist_ok=True)
    for each_distribution in DISTRIBUTIONS:
        for each_release in RELEASES:
            build(sys.argv[1], sys.argv[2], each_distribution, each_release)
