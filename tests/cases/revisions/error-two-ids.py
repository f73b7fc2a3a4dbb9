"""which one?"""
revision = "777777777777", "888888888888"
down_revision = None
