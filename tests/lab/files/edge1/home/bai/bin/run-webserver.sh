#!/bin/sh
# The web server without systemd, as many sites run it: becomes the server, as the user bai.
cd /home/bai/webserver || exit 1
export HOME=/home/bai
# 23.09 declares Redis in another way than 23.03. That is a manual step, done in advance: both files lie here.
conf=webserver.conf
for dist in .venv/lib/python3*/site-packages/backend.ai_webserver-23.3.*; do
  [ ! -e "$dist" ] || conf=webserver-23.3.conf
done
exec setpriv --reuid=bai --regid=bai --init-groups \
  /home/bai/webserver/.venv/bin/python -m ai.backend.web.server -f "/home/bai/webserver/$conf"
