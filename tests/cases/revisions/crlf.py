"""Windows line ends"""
revision = "00000000000d"
down_revision = \
    "00000000000c"
