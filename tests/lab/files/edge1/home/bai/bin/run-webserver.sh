#!/bin/sh
# The web server without systemd, as many sites run it: becomes the server, as the user bai.
cd /home/bai/webserver || exit 1
export HOME=/home/bai
exec setpriv --reuid=bai --regid=bai --init-groups \
  /home/bai/webserver/.venv/bin/python -m ai.backend.web.server -f /home/bai/webserver/webserver.conf
