"""whose predecessor is it?"""
down_revision = "777777777777"
