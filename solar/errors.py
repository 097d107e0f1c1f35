"""The errors that Solar raises on purpose: one line each, naming the thing and the way out."""


class SolarError(Exception):
    """Something failed for a reason that the message explains in one line.

    The command line prints the message and exits with code 1.
    """


class UsageError(SolarError):
    """The call itself was wrong: an option, a name or a combination. Exit code 2."""


class PhotoError(SolarError):
    """A photo that cannot be used; the message names the file and the reason."""


class CheckpointError(SolarError):
    """Weights that cannot be loaded, found, verified or written."""


class IndexFolderError(SolarError):
    """An index folder that is missing, damaged, locked, or made with other settings."""
