"""Every error facefind raises on purpose: what went wrong, and what to do now.

::

    FacefindError                exit code 2
     +- UsageError               the request itself makes no sense
     +- SetupError               something is missing on this machine
     |   +- RuntimeMissing       no onnxruntime is installed
     |   +- WeightsError         a weight file is missing, damaged or cannot be downloaded
     |   +- StoreError           the database cannot be reached, or refuses
     |       +- SchemaError      its schema is newer than this program, or a migration failed
     +- OutputError              a result cannot be written (disk full, no permission)
     +- PhotoError               exit code 1: one picture fails, the run goes on
     |   +- UnreadablePhoto      not a picture, damaged, or not permitted to be read
     |   +- PhotoTooLarge        more pixels than the limit
     |   +- InferenceError       a model refused this picture's pixels
     |   +- OutOfMemory          there was no room for the picture at that moment
     +- NobodyFound              exit code 1: the answer is "no one"
         +- NoFaceInPortrait     a portrait shows no face that can be found

Library errors are wrapped where they happen (``raise ... from error``), so the cause stays in
the chain and ``--debug`` can show it.
"""

from __future__ import annotations

from typing import ClassVar


class FacefindError(Exception):
    """Base of all errors that facefind expects.

    Args:
        message: What went wrong, one sentence, naming the thing it went wrong with.
        hint: What the user can do now; empty where the message already says it.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class UsageError(FacefindError):
    """The request itself makes no sense: an unknown event, a setting that does not exist."""


class SetupError(FacefindError):
    """Something that facefind needs is missing or broken on this machine."""


class RuntimeMissing(SetupError):
    """No onnxruntime is installed; the message gives both install commands."""


class WeightsError(SetupError):
    """A weight file is missing, damaged, or cannot be downloaded."""


class StoreError(SetupError):
    """The database cannot be started or reached, or it refused a statement."""


class SchemaError(StoreError):
    """The database's schema is newer than this program, or a migration failed."""


class OutputError(FacefindError):
    """A result cannot be written: disk full, no permission, a file in the way."""


class PhotoError(FacefindError):
    """One picture fails; its reason is recorded and the run goes on."""

    exit_code: ClassVar[int] = 1


class UnreadablePhoto(PhotoError):
    """Not a picture, a damaged one, or one that may not be read."""


class PhotoTooLarge(PhotoError):
    """A picture with more pixels than the limit allows to decode."""


class InferenceError(PhotoError):
    """A model refused this picture's pixels, or answered with something impossible."""


class OutOfMemory(PhotoError):
    """There was not enough memory for a picture; when more of it is free, there may be."""


class NobodyFound(FacefindError):
    """The question was understood and the answer is "no one"."""

    exit_code: ClassVar[int] = 1


class NoFaceInPortrait(NobodyFound):
    """A portrait shows no face that can be found, not even turned or enlarged."""
