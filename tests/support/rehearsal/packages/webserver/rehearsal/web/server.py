from rehearsal.web import __version__
from rehearsal.common.service import serve


def main():
    serve("webserver", __version__, {"type": "webserver", "version": __version__})


if __name__ == "__main__":
    main()
