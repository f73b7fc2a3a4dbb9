"""two names for one"""
revision_id = revision = "777777777777"
down_revision = None
