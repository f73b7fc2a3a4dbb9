"""latin-1"""
revision = "777777777777"
down_revision = None
NAME = "René"
