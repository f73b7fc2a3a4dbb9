"""Downloads pip's own wheel with the standard library, for a Python that came without pip (Debian's, as a rule).

Usage: fetch_pip.py DIRECTORY

Reads the index that PIP_INDEX_URL names, PyPI by default (the JSON form of the simple API, PEP 691), takes the newest
final release that this Python may run, and checks its digest.
"""

import hashlib
import json
import os
import re
import ssl
import sys
import urllib.parse
import urllib.request

INDEX = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/") + "/pip/"
TRUST = ssl.create_default_context(cafile=os.environ.get("PIP_CERT"))


def fetch(url, accept="*/*"):
    request = urllib.request.Request(url, headers={"Accept": accept, "User-Agent": "converge-rehearsal"})
    with urllib.request.urlopen(request, timeout=60, context=TRUST) as answer:
        return answer.read()


def candidates(page):
    for file in page["files"]:
        name = re.fullmatch(r"pip-(\d+(?:\.\d+)*)-py3-none-any\.whl", file["filename"])
        oldest = re.search(r">=\s*3\.(\d+)", file.get("requires-python") or "")
        if name and not file.get("yanked") and (not oldest or sys.version_info[1] >= int(oldest[1])):
            yield [int(part) for part in name[1].split(".")], file


page = json.loads(fetch(INDEX, "application/vnd.pypi.simple.v1+json"))
_, newest = max(candidates(page), key=lambda candidate: candidate[0])
content = fetch(urllib.parse.urljoin(INDEX, newest["url"]))
if hashlib.sha256(content).hexdigest() != newest["hashes"]["sha256"]:
    sys.exit(f"{newest['filename']}: the digest is not the one that the index gives")
with open(os.path.join(sys.argv[1], newest["filename"]), "wb") as target:
    target.write(content)
