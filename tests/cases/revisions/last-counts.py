"""an identifier that was changed by hand"""
revision = "333333333333"
revision = "444444444444"
down_revision = "000000000" "00f"
