"""The one exception a person is meant to read."""


class SamNerfError(Exception):
    """Something outside the program is wrong: what, where, and what would be right.

    The command line prints the message as one line and exits with status 1; `--debug` shows the traceback.
    Mistakes of a programmer stay `ValueError`, `TypeError` and the like.
    """
