"""almost plain"""
N = 7
revision = "777777777777"
down_revision = f"00000000000{N}"
