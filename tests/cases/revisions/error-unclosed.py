"""a text without end
revision = "777777777777"
down_revision = None
