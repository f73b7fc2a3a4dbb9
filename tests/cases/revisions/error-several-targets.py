"""two at once"""
revision, down_revision = "777777777777", None
