"""an identifier that depends"""
import sys

if sys.platform == "linux":
    revision = "777777777777"
else:
    revision = "888888888888"
down_revision = None
