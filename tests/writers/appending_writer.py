"""Append one file to a repository in a bucket, at the moment when others do: run by the test of two writers."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import vzlab as vz
from vzlab.writers import write_icechunk

if __name__ == "__main__":
    target, options, url, group, ready, go = sys.argv[1:]
    storage_options = json.loads(options)
    cube = vz.open_virtual_dataset(url, storage_options=storage_options)
    Path(ready).touch()
    while not Path(go).exists():
        time.sleep(0.01)
    write_icechunk(cube, target, group=group, mode="a", append_dim="x", storage_options=storage_options)
