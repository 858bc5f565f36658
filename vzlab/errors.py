"""Every error that vzlab raises on purpose, as one tree.

::

    VzlabError
    ├── UnsupportedFormatError      (ValueError)           not a format that a parser knows
    ├── CorruptFileError            (ValueError)           the file contradicts itself or its own length
    ├── UnsupportedCodecError       (NotImplementedError)  a filter or codec that nothing here decodes
    ├── UnsupportedDataTypeError    (NotImplementedError)  a data type that Zarr cannot say
    ├── UnvirtualizableError        (NotImplementedError)  a variable whose bytes no reference can express
    ├── CodecError                  (ValueError)           a codec failed on the bytes of one chunk
    ├── VirtualArrayError           (NotImplementedError)  an operation that needs values a reference does not hold
    ├── IncompatibleArraysError     (ValueError)           arrays that do not make one honest array
    ├── IncompatibleFilesError      (ValueError)           files that do not make one honest dataset; has `.report`
    ├── MemoryBudgetError           (MemoryError)          what was asked for would take more memory than was allowed
    ├── UnreachableChunkError       (OSError)              a referenced chunk that is there by name, and cannot be had
    │   └── ShortReadError                                 fewer bytes came than the reference says
    ├── SourceNotFoundError         (FileNotFoundError)    no such file or object
    ├── UnknownUrlError             (ValueError)           a url that no store serves
    ├── AccessDeniedError           (PermissionError)      a place that an app was told not to touch
    ├── LostMeaningError            (ValueError)           attributes that give stored numbers their meaning went missing
    ├── WriteError                  (ValueError)           what was asked for cannot be written like that
    ├── StepError                   (RuntimeError)         a step of a builder failed; has `.step`
    ├── MissingDependencyError      (ImportError)          an optional library is not installed
    └── VerificationError           (AssertionError)       virtual and native differ; has `.comparison`

`UnreadableVariableWarning` reports variables that were left out, `SkippedFilesWarning` files;
`VariablesInGroupsWarning` says where the variables of a group are that has none of its own.

A message says what was found, what was expected, and what to do.
"""

from __future__ import annotations

from functools import partial
from typing import Any


class VzlabError(Exception):
    """The root of all errors raised by vzlab."""


class UnsupportedFormatError(VzlabError, ValueError):
    """The bytes are not of a format that any parser knows."""


class CorruptFileError(VzlabError, ValueError):
    """The file contradicts its format or its own length."""


class UnsupportedCodecError(VzlabError, NotImplementedError):
    """A filter or codec that cannot be expressed or decoded."""


class UnsupportedDataTypeError(VzlabError, NotImplementedError):
    """A data type that Zarr has no name for."""


class UnvirtualizableError(VzlabError, NotImplementedError):
    """A variable whose stored bytes cannot be expressed as references."""


class CodecError(VzlabError, ValueError):
    """A codec failed on the bytes of a chunk."""


class VirtualArrayError(VzlabError, NotImplementedError):
    """The operation needs the values of a virtual array, which holds references only."""


class IncompatibleArraysError(VzlabError, ValueError):
    """Arrays that cannot be joined without changing what they mean."""


class IncompatibleFilesError(VzlabError, ValueError):
    """Files that cannot be combined without changing what they mean.

    Attributes
    ----------
    report : object or None
        The compatibility report that found it.
    """

    def __init__(self, message: str, *, report: Any = None) -> None:
        super().__init__(message)
        self.report = report


# MemoryError comes first: alone among its kind it has a __new__ of its own, which Python asks for by this order.
class MemoryBudgetError(MemoryError, VzlabError):
    """What was asked for would hold more in memory than was allowed."""


class UnreachableChunkError(VzlabError, OSError):
    """A referenced chunk could not be fetched: absent, forbidden, or the network failed."""


class ShortReadError(UnreachableChunkError):
    """The source gave fewer bytes than its reference says."""


class SourceNotFoundError(VzlabError, FileNotFoundError):
    """No such file or object."""


class UnknownUrlError(VzlabError, ValueError):
    """No store serves this url."""


class AccessDeniedError(VzlabError, PermissionError):
    """A place that lies outside of what this process was told to touch."""


class LostMeaningError(VzlabError, ValueError):
    """A virtual variable lost the attributes that say what its stored numbers mean."""


class WriteError(VzlabError, ValueError):
    """What was asked for cannot be written without losing or changing data."""


class StepError(VzlabError, RuntimeError):
    """A step of a builder failed, or cannot be taken yet; the cause says what to do.

    Attributes
    ----------
    step : str
        The step that caused it, which need not be the one that was asked for.
    """

    def __init__(self, message: str, *, step: str) -> None:
        super().__init__(message)
        self.step = step

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(StepError, step=self.step), (str(self),)


class MissingDependencyError(VzlabError, ImportError):
    """An optional library is needed and not installed.

    Attributes
    ----------
    extra : str
        What to install vzlab with.
    purpose : str
        What needs the library.
    """

    def __init__(self, library: str, *, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs {library}, which is not installed. Install it with: pip install 'vzlab[{extra}]'",
            name=library,
        )
        self.extra = extra
        self.purpose = purpose

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(MissingDependencyError, extra=self.extra, purpose=self.purpose), (self.name,)


class VerificationError(VzlabError, AssertionError):
    """Virtual and native reads differ, or could not be compared.

    Attributes
    ----------
    comparison : object or None
        The comparison that found it.
    """

    def __init__(self, message: str, *, comparison: Any = None) -> None:
        super().__init__(message)
        self.comparison = comparison


class SkippedFilesWarning(UserWarning):
    """Files could not be opened and were left out, as was asked for."""


class UnreadableVariableWarning(UserWarning):
    """Variables of a file cannot be virtualized and were left out."""


class VariablesInGroupsWarning(UserWarning):
    """The group that was opened has no variables of its own: they are in groups below it."""


def first_line(error: BaseException) -> str:
    """The telling part of an error of others, which may go on with a debug print; its kind where it says nothing."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
