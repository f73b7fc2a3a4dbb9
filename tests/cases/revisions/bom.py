"""a byte order mark"""
revision = "00000000000e"; down_revision = "00000000000d"
