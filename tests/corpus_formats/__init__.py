"""How the collection's independent readers name and give the variables of each family of formats.

A module here is named after a family of `tests.corpus_outcomes.FAMILIES` and may define

- ``found(entry) -> dict[str, numpy array | str]``: the values that we give of each variable under the name that the
  collection has for it, or the reason for which it is refused. Without a module, or without that function, variables
  have their paths in the group as names, and their values as `vzlab.storage.read_array` reads them.
- ``as_expected(array) -> numpy array``: the values of one virtual array as the independent reader gives them.
"""
