"""The errors that a user can meet.

Every one ends the command with one line on stderr and its ``exit_code``: where, what, what was got, what is allowed
and what to do. Nothing else may reach a user as a traceback.
"""

from __future__ import annotations

EXIT_USAGE = 2
EXIT_STOPPED = 3
EXIT_INTERRUPTED = 130


class TracemillError(Exception):
    """A mistake or a state of the world that the user can mend; ``str(error)`` is one line."""

    exit_code: int = EXIT_USAGE


class InputError(TracemillError):
    """A folder, file or selection that holds nothing to read."""


class ConfigError(TracemillError):
    """Flags or settings that cannot work together, or a key that is missing."""


class RunStateError(TracemillError):
    """A dataset folder that is in use, already there, or made with other arguments."""


class StoppedError(TracemillError):
    """A run that had to end early, with everything finished kept and a way to go on."""

    exit_code = EXIT_STOPPED


class CountError(TracemillError):
    """Counts of a stage that do not add up: ``in != out + sum(dropped)``. A defect of tracemill, never of the input."""

    exit_code = 1
