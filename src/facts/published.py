# Asks the pip of the environment that runs this for every file of a package that it could get, where it
# would install from: with its own parser of options, configuration and environment, its own session and its
# own finder. Sent to hosts by published.rs; prints probe records on standard output.
# Arguments: nonce, question, package, then options of `pip install`.
# Must hold for the pips of Python 3.10 and later (22.3 on). Where pip is made otherwise it prints `differs`.
import json, os, re, signal, sys, zipfile

NONCE, QUESTION, PACKAGE = sys.argv[1:4]
# A host's own settings may ask for more; the whole question must end before the controller loses patience.
TIMEOUT, RETRIES, ALL_OF_IT = 30, 1, 240
# What `-m pip` would not do either: take modules from the directory that this happens to run in.
sys.path[:] = [p for p in sys.path if p]
OUT, sys.stdout = sys.stdout, sys.stderr


def redacted(text):
    text = re.sub(r"(?<=://)[^/\s@]*@", "****@", str(text))
    return " ".join(re.sub(r"(?<=[\w/])\?[^\s'\")]*", "", text).split())


def emit(key, value):
    print(NONCE, QUESTION, key, value, sep="\t", file=OUT)


def finish(key, value):
    emit(key, redacted(value)[:500])
    OUT.flush()
    os._exit(0)


def too_long(*_):
    finish("unknown", "pip was still asking after %d s" % ALL_OF_IT)


class Differs(Exception):
    pass


def metadata_of(link):
    """The Requires-Python of a wheel in a directory: pip reads it only when it installs."""
    if not link.is_file or not link.filename.endswith(".whl"):
        return None
    try:
        with zipfile.ZipFile(link.file_path) as wheel:
            name = next(n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
            head = wheel.read(name).decode("utf-8", "replace").split("\n\n")[0]
    except (OSError, zipfile.BadZipFile, StopIteration) as why:
        finish("unknown", "%s can't be read as a wheel: %s" % (link.file_path, why))
    found = re.search(r"^Requires-Python:[ \t]*(.+)$", head, re.M | re.I)
    return found and found[1].strip()


def size_of(link):
    try:
        return os.path.getsize(link.file_path) if link.is_file else getattr(link, "size", None)
    except OSError:
        return None


def watch(finder, collector):
    """Notes what became of every page: pip itself goes on without a page that it could not get."""
    pages, why = {}, []
    inner, say = finder._link_collector.fetch_response, collector._handle_get_simple_fail

    def noted(link, reason, *rest, **named):
        why.append(reason)
        return say(link, reason, *rest, **named)

    def fetch(location, *rest, **named):
        del why[:]
        page = inner(location, *rest, **named)
        url = location.url.split("#", 1)[0]
        if page is not None:
            pages[url] = None
        else:
            pages[url] = why[-1] if why else "what it answered is no index page"
        return page

    collector._handle_get_simple_fail = noted
    finder._link_collector.fetch_response = fetch
    return pages


def status_of(reason):
    return getattr(getattr(reason, "response", None), "status_code", None)


def failures(finder, pages):
    """Every place that did not say what it has. A 404 of an index is an answer: it hasn't the package."""
    from pip._internal.utils.urls import url_to_path

    scope = finder.search_scope
    indexes = list(scope.get_index_urls_locations(PACKAGE))
    failed = []
    for place in indexes + list(finder.find_links):
        of_index = place in indexes
        path = url_to_path(place) if place.startswith("file:") else place
        if "://" not in path:
            # An index in a directory has one for each package: that of a package it hasn't may be missing.
            needed = os.path.dirname(path.rstrip("/")) if of_index else path
            if not os.path.exists(needed):
                failed.append("%s: there is no such file or directory" % needed)
            elif os.path.isdir(needed) and not os.access(needed, os.R_OK | os.X_OK):
                failed.append("%s: the directory can't be read" % needed)
            continue
        url = place.split("#", 1)[0]
        if url not in pages:
            archive = re.search(r"\.(whl|zip|tar\.\w+|tgz)$", url)
            if not archive:
                failed.append("%s: pip would not ask it (is it plain http without trusted-host?)" % place)
        elif pages[url] is not None and not (of_index and status_of(pages[url]) == 404):
            failed.append("%s: %s" % (place, pages[url]))
    return [redacted(one) for one in failed]


def joined(candidates):
    """By release: withdrawn only where every file is; what wheels say of Python before source archives."""
    releases = {}
    for candidate in candidates:
        link = candidate.link
        releases.setdefault(str(candidate.version), []).append(link)
    for version, links in releases.items():
        links.sort(key=lambda link: (not link.filename.endswith(".whl"), link.filename))
        yanked = [link.yanked_reason for link in links]
        wants = [w for w in (link.requires_python or metadata_of(link) for link in links) if w]
        sizes = [s for s in map(size_of, links) if s]
        one = {"release": version}
        if None not in yanked:
            one["yanked"] = redacted(next((y for y in yanked if y), ""))[:300]
        if wants:
            one["requires_python"] = " ".join(wants[0].split())[:200]
        if sizes:
            one["bytes"] = max(sizes)
        wheels = [link for link in links if link.filename.endswith(".whl")]
        if len(wheels) == 1 and wheels[0].hash_name == "sha256" and re.fullmatch("[0-9a-f]{64}", wheels[0].hash or ""):
            one["sha256"] = wheels[0].hash
        yield one


def look():
    try:
        from pip import __version__
        from pip._internal.commands import create_command
        from pip._internal.index import collector

        # Not `index`: its section of the configuration is not the one that installs follow.
        command = create_command("install")
        options, _ = command.parse_args(["--no-input", "--no-cache-dir", *sys.argv[4:], PACKAGE])
        options.timeout = min(float(options.timeout or TIMEOUT), TIMEOUT)
        options.retries = min(int(options.retries), RETRIES)
        session = command._build_session(options)
        finder = command._build_package_finder(options, session, ignore_requires_python=True)
        pages = watch(finder, collector)
    except (AttributeError, ImportError, TypeError) as why:
        raise Differs("%s: %s" % (type(why).__name__, why))
    candidates = finder.find_all_candidates(PACKAGE)
    try:
        failed = failures(finder, pages)
        places = list(finder.search_scope.index_urls) + list(finder.find_links)
        releases = [json.dumps(one) for one in joined(candidates)]
    except (AttributeError, ImportError, TypeError) as why:
        raise Differs("%s: %s" % (type(why).__name__, why))
    if failed:
        finish("unknown", "pip could not get the whole list: " + "; ".join(failed))
    emit("pip", __version__)
    for place in places:
        emit("source", redacted(place))
    for one in releases:
        emit("release", one)
    finish("python", "%d.%d.%d" % sys.version_info[:3])


signal.signal(signal.SIGALRM, too_long)
signal.alarm(ALL_OF_IT)
try:
    look()
except Differs as why:
    finish("differs", why)
except SystemExit:
    finish("unknown", "pip does not take these options: " + " ".join(sys.argv[4:]))
except Exception as why:
    finish("unknown", "pip: %s: %s" % (type(why).__name__, why))
