"""A small HTTP server, as every component of the rehearsal cluster is.

Faults are switched on by files in the working directory, so that a test can make a process misbehave:
`refuse-to-start` (empty, or the one release that refuses), `slow-start` (seconds), `refuse-to-stop`, `sick`.
"""

import argparse
import configparser
import json
import os
import signal
import socketserver
import sys
import time
from http.server import BaseHTTPRequestHandler


def fault(name, default=""):
    try:
        with open(name, encoding="utf-8") as switch:
            return switch.read().strip() or default
    except FileNotFoundError:
        return None


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def serve(component, release, answer):
    parser = argparse.ArgumentParser(prog=component)
    parser.add_argument("--name", required=True)
    parser.add_argument("--config", required=True)
    arguments = parser.parse_args()
    config = configparser.ConfigParser()
    with open(arguments.config, encoding="utf-8") as file:
        config.read_file(file)
    address = (config[component]["host"], int(config[component]["port"]))

    def log(message):
        print(f"{component} {release} ({arguments.name}): {message}", flush=True)

    if fault("refuse-to-start", release) == release:
        log("refuses to start")
        sys.exit(1)
    time.sleep(float(fault("slow-start", "5") or 0))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            sick = fault("sick") is not None
            if self.path not in ("/", "/health"):
                self.send_error(404)
                return
            body = json.dumps(answer if self.path == "/" else {"status": "ok", "version": release})
            if sick:
                body = json.dumps({"status": "sick"})
            body = body.encode()
            self.send_response(503 if sick else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    def stop(number, _):
        if fault("refuse-to-stop") is None:
            log("stops")
            # Not sys.exit: the socket goes with the process, and no thread can hold it up.
            os._exit(0)
        log("was asked to stop and refuses")

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with Server(address, Handler) as server:
        log(f"serves on {address[0]}:{address[1]}")
        server.serve_forever()
