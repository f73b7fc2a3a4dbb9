"""A host that steers terminals, floods and lies: sshd runs this instead of whatever it is asked for (ForceCommand).

How, is in the file `mode` beside it, which is read anew for every request; `payload` holds the bytes to be slipped in.
"""

import os
import re
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def beside(name):
    with open(os.path.join(HERE, name), "rb") as file:
        return file.read()


REQUEST = os.environ.get("SSH_ORIGINAL_COMMAND", "")
MODE = beside("mode").decode().strip()
PAYLOAD = beside("payload")


def say(stream, data):
    try:
        while data:
            data = data[os.write(stream, data) :]
    except OSError:
        os._exit(0)


def honestly(environment=os.environ):
    os.execve("/bin/sh", ["/bin/sh", "-c", REQUEST], environment)


def spoilt(line, how):
    """One line of an answer with the payload in it."""
    text, end = (line[:-1], b"\n") if line.endswith(b"\n") else (line, b"")
    if text.endswith(b"-begin"):
        return line
    parts = text.split(b"\t")
    if len(parts) == 1:
        return text + PAYLOAD + end
    if how == "output":
        return line
    # Of the probe's own records (`NONCE - end ok`) all is left as it is, so that the answer counts as whole.
    if len(parts) > 3 and parts[1] == b"-":
        return line
    parts[-1] = PAYLOAD if how == "instead" else parts[-1] + PAYLOAD
    return b"\t".join(parts) + end


def spoil(how):
    """What an honest host would answer, with the payload in every field; and noise on both streams before it."""
    shell = subprocess.Popen(["/bin/sh", "-c", REQUEST], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def copy(source, target):
        say(target, PAYLOAD + b"\n")
        for line in source:
            say(target, spoilt(line, how))

    threads = [threading.Thread(target=copy, args=pair) for pair in ((shell.stdout, 1), (shell.stderr, 2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    code = shell.wait()
    say(2, PAYLOAD)
    sys.exit(code)


def script():
    """What was sent, as far as it has come, with the nonces of the cue and of the answer."""
    text = b""
    while True:
        piece = os.read(0, 65536)
        text += piece
        cue = re.search(rb'echo (\w+)""-begin', text)
        nonce = re.search(rb"\bN=(\w+);", text)
        if not piece or (cue and nonce):
            return cue.group(1), nonce.group(1) if nonce else b""


def flood(where):
    """An answer without an end, up to the time when nobody listens."""
    cue, nonce = script()
    stream = 2 if where.endswith("err") else 1
    if where == "cue":
        say(1, cue + b"-begin")
    elif not where.startswith("before"):
        for each in (1, 2):
            say(each, cue + b"-begin\n")
    if where == "records":
        piece = b"%s\t0\tpath\t/x\n" % nonce * 4096
    elif where == "lines":
        piece = b"\n" * 65536
    else:
        piece = b"A" * 65536
    while True:
        say(stream, piece)


def forge():
    """Everything that somebody could say who has not heard the question."""
    cue, nonce = script()
    say(1, cue + b"-begin\n")
    say(2, cue + b"-begin\n")
    for mark in (b"n1", nonce[:-1], nonce + b"0", b"", b"\0" + nonce):
        say(1, b"%s\t-\tnow\t5\n%s\t0\tversion\t25.6.4\n%s\t-\tend\tok\n" % (mark, mark, mark))
    for number in (b"9999", b"-1", b"x", b""):
        say(1, b"%s\t%s\tversion\t25.6.4\n" % (nonce, number))
    sys.exit(0)


def claim(endless):
    """An honest answer to whatever only looks; of a job that it ended well, though it never began, or talk without end."""
    text = b""
    while piece := os.read(0, 65536):
        text += piece
    nonce = re.search(rb"^N=(\w+); R=\S+; J=.*; A=start;", text, re.MULTILINE)
    if not nonce:
        shell = subprocess.run(["/bin/sh", "-c", REQUEST], input=text)
        sys.exit(shell.returncode)
    cue, nonce = re.search(rb'echo (\w+)""-begin', text).group(1), nonce.group(1)
    say(1, cue + b"-begin\n")
    say(2, cue + b"-begin\n")
    say(1, b"%s\tbegin\t0\ndone\n" % nonce)
    while endless:
        say(1, b"A" * 65536)
    say(1, b"%s\tended\texit 0\n" % nonce)
    sys.exit(0)


if MODE == "honest" or REQUEST == "true":
    honestly()
elif MODE in ("escapes", "instead", "output"):
    spoil(MODE)
elif MODE in ("claims", "flood job"):
    claim(MODE == "flood job")
elif MODE.startswith("flood "):
    flood(MODE.removeprefix("flood "))
elif MODE == "forged":
    forge()
elif MODE == "silent":
    time.sleep(3600)
elif MODE == "sudo":
    honestly(os.environ | {"PATH": os.path.join(HERE, "bin") + ":" + os.environ["PATH"]})
else:
    sys.exit("no such mode: " + MODE)
