r"""words in texts don't count \d"""
NOTE = """
revision = "111111111111"
down_revision = None
input("really?")
"""
SQL = f"select '{NOTE["a"]}' -- os.environ"
revision = "00000000000f"
# revision = "222222222222"
down_revision = "00000000000e"


def upgrade():
    revision = NOTE  # a name of the function's own
    print("create_engine(", revision == NOTE)


class Old:
    down_revision = ["x"]
