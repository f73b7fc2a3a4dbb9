"""an identifier with a blank and a bell"""
revision = "7777 7777"
down_revision = None
