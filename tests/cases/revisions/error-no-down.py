"""where does it belong?"""
revision = "777777777777"
