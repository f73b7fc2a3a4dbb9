__version__ = "@RELEASE@"
