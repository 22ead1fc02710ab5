"""This file knows every way in which Foretide can fail, as one small exception tree."""

from __future__ import annotations


class ForetideError(Exception):
    """Base of every error raised on purpose: its text is one line fit for a person."""


class InvalidValueError(ForetideError, ValueError):
    """A value broke an invariant: the text names the field, the value and the fix."""


class ConfigError(ForetideError):
    """The configuration cannot be used: the text names file, line, field and fix."""


class InputError(ForetideError):
    """A file or flag a person gave cannot be used: the text names it and the fix."""


class SourceError(ForetideError):
    """A source of events or demand did not answer as its protocol says; retrying may help."""


class StoreError(ForetideError):
    """The embedded store cannot be read or written."""


class StoreBusyError(StoreError):
    """Another process owns the store: retry when it has ended."""


class JournalError(ForetideError):
    """The journal cannot be written or read: nothing may be acted upon."""


class PlatformError(ForetideError):
    """A platform refused or lost an action; the port's docstring says whether to retry."""


class ActionFailedError(PlatformError):
    """The platform understood the action and could not do it: never retry the same id."""


class PlatformUnavailableError(PlatformError):
    """The platform did not answer: retry the same action id."""
