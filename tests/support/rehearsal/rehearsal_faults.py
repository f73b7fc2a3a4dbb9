"""Put into a virtual environment by a test: holds pip still while it writes the server of a component.

Loaded by a .pth file at the start of every Python of that environment. When the file `slow-install` lies in DIRECTORY
(it holds seconds), opening `server.py` of a component for writing waits, and `slow-install.reached` tells that it does.
At that moment pip has already taken the old release away and has not finished the new one.
"""

import os
import sys
import time

DIRECTORY = "@DIRECTORY@"


def hold(event, arguments):
    if event != "open" or not str(arguments[0]).endswith("/server.py") or "/rehearsal/" not in str(arguments[0]):
        return
    switch = os.path.join(DIRECTORY, "slow-install")
    if not arguments[2] & (os.O_WRONLY | os.O_RDWR) or not os.path.exists(switch):
        return
    with open(switch, encoding="utf-8") as file:
        seconds = float(file.read().strip() or 60)
    with open(switch + ".reached", "w", encoding="utf-8") as file:
        file.write(str(os.getpid()))
    end = time.monotonic() + seconds
    while os.path.exists(switch) and time.monotonic() < end:
        time.sleep(0.02)


if os.path.exists(os.path.join(DIRECTORY, "slow-install")):
    sys.addaudithook(hold)
