#!/bin/sh
cd /home/bai/manager || exit 1
exec /home/bai/manager/.venv/bin/python -m ai.backend.manager.server -f /home/bai/manager/manager.toml
