"""The tree of errors: drawn whole, and the same in every process."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator

import pytest

from vzlab import errors
from vzlab.errors import MissingDependencyError, StepError, VzlabError


def tree(kind: type[VzlabError]) -> Iterator[type[VzlabError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from tree(below)


def test_the_drawing_has_every_error() -> None:
    drawn = re.findall(r"^[ │├└─]*(\w+Error)\b", errors.__doc__ or "", re.MULTILINE)
    assert sorted(drawn) == sorted(kind.__name__ for kind in tree(VzlabError))


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.__name__) for kind in tree(VzlabError)])
def test_an_error_comes_back_from_another_process(kind: type[VzlabError]) -> None:
    if kind is StepError:
        error: VzlabError = StepError("it failed", step="check")
    elif kind is MissingDependencyError:
        error = MissingDependencyError("h5py", extra="hdf5", purpose="Reading HDF5")
    else:
        error = kind("it failed")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind
    assert (str(back), vars(back)) == (str(error), vars(error))
