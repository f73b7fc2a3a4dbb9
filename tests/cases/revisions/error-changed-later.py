"""a list that grows"""
revision = "777777777777"
down_revision = ["888888888888"]
down_revision.append("999999999999")
