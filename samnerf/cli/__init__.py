"""`samnerf <command>`: one module and one dataclass per command.

A command's fields are its options and their docstrings its help; `run` does the work and imports what it needs,
so that `samnerf --help` answers at once. `main` holds the table of commands and turns errors into one readable
line. Floor 5: may import everything; nothing imports it.
"""
