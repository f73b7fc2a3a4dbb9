from rehearsal.manager import __version__
from rehearsal.common.service import serve


def main():
    serve("manager", __version__, {"version": "v8", "manager": __version__})


if __name__ == "__main__":
    main()
