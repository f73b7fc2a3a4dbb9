from rehearsal.storage import __version__
from rehearsal.common.service import serve


def main():
    serve("storage-proxy", __version__, {"type": "storage-proxy", "version": __version__})


if __name__ == "__main__":
    main()
