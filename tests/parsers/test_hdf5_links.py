"""Links: hard, soft and external, in circles, to nowhere, by the thousand."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.parsers.reading import assert_values_equal, parse, read
from vzlab.manifests import ManifestGroup
from vzlab.parsers.hdf5.parser import MAX_REPEATED


def paths(group: ManifestGroup) -> set[str]:
    """Paths of all arrays."""
    return {path for path, _ in group.walk_arrays()}


@pytest.fixture
def hdf5_with_hardlink_cycle(tmp_path: Path) -> Path:
    path = tmp_path / "cycle.h5"
    with h5py.File(path, "w") as file:
        file["a/b/x"] = np.arange(3)
        file["a/b/up"] = file["a"]
        file["a/b/c/top"] = file["/"]
        file["a/self"] = file["a"]
    return path


def test_hard_links_in_a_circle_end(hdf5_with_hardlink_cycle: Path) -> None:
    group = parse(hdf5_with_hardlink_cycle)
    assert paths(group) == {"a/b/x"}
    assert [path for path, _ in group.walk()] == ["", "a", "a/b", "a/b/c"]


def test_soft_links_in_a_circle_end(tmp_path: Path) -> None:
    path = tmp_path / "soft_cycle.h5"
    with h5py.File(path, "w") as file:
        file["a/x"] = 1
        file["a/up"] = h5py.SoftLink("/")
        file["b/over"] = h5py.SoftLink("/a")
        file["loop"] = h5py.SoftLink("/loop")
    group = parse(path)
    assert paths(group) == {"a/x", "b/over/x"}
    assert list(group.unreadable) == ["loop"]


def test_a_link_of_a_kind_of_its_own_is_told_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "user_defined.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(3)
        file["mine"] = h5py.ExternalLink("other.h5", "/x")
    # HDF5 specification IV.A.2.g, link message: its type, 64 for external links and 65 to 255 for those of users.
    content = path.read_bytes()
    assert content.count(b"\x40\x04mine") == 1
    path.write_bytes(content.replace(b"\x40\x04mine", b"\xbb\x04mine"))
    group = parse(path)
    assert paths(group) == {"x"}
    assert "link of a kind of its own (187)" in group.unreadable["mine"].reason


def test_an_object_with_several_names_is_one_object_under_each(tmp_path: Path) -> None:
    path = tmp_path / "names.h5"
    with h5py.File(path, "w") as file:
        file["g/x"] = np.arange(3)
        file["hard"] = file["g/x"]
        file["soft"] = h5py.SoftLink("/g/x")
        file["g2"] = file["g"]
        file["kind"] = np.dtype("i4")
    group = parse(path)
    assert paths(group) == {"g/x", "g2/x", "hard", "soft"}
    assert group["hard"] is group["soft"] is group["g/x"] is group["g2/x"]
    assert "kind" not in group.unreadable


def test_groups_that_multiply_through_links_end(tmp_path: Path) -> None:
    path = tmp_path / "explosive.h5"
    with h5py.File(path, "w") as file:
        group = file
        for _ in range(60):
            group["left"] = group.create_group("right")
            group = group["right"]
        group["x"] = 1
    group = parse(path)
    assert "x" in group["left/" * 60].arrays
    assert sum(1 for _ in group.walk()) <= 61 + MAX_REPEATED


def test_soft_links_to_nowhere_are_told(tmp_path: Path) -> None:
    path = tmp_path / "dangling.h5"
    with h5py.File(path, "w") as file:
        file["x"] = 1
        file["nowhere"] = h5py.SoftLink("/not/there")
    group = parse(path)
    assert list(group.arrays) == ["x"]
    assert "'/not/there'" in group.unreadable["nowhere"].reason
    assert not group.unreadable["nowhere"].loadable


def test_external_links_refer_to_the_other_file(tmp_path: Path) -> None:
    (tmp_path / "below it").mkdir()
    with h5py.File(tmp_path / "below it" / "other#1.h5", "w") as file:
        file["g/x"] = np.arange(5.0)
        file["g/back"] = h5py.ExternalLink("../first.h5", "/own")
    path = tmp_path / "first.h5"
    with h5py.File(path, "w") as file:
        file["own"] = np.arange(3)
        file["dataset"] = h5py.ExternalLink("below it/other#1.h5", "/g/x")
        file["group"] = h5py.ExternalLink("below it/other#1.h5", "/g")
        file["through"] = h5py.SoftLink("/group/x")
    group = parse(path)
    assert paths(group) == {"own", "dataset", "group/x", "group/back", "through"}
    assert group["dataset"].manifest.urls[0].endswith("/below%20it/other%231.h5")
    assert group["group/back"].manifest.urls[0].endswith("/first.h5")
    for name in ("dataset", "group/x", "through"):
        assert_values_equal(read(group[name]), np.arange(5.0))


def test_external_links_out_of_reach_are_told_by_name(tmp_path: Path) -> None:
    path = tmp_path / "first.h5"
    (tmp_path / "text.h5").write_text("not HDF5")
    with h5py.File(tmp_path / "other.h5", "w"):
        pass
    with h5py.File(path, "w") as file:
        file["x"] = 1
        file["no_file"] = h5py.ExternalLink("absent.h5", "/x")
        file["no_object"] = h5py.ExternalLink("other.h5", "/x")
        file["no_hdf5"] = h5py.ExternalLink("text.h5", "/x")
    group = parse(path)
    assert list(group.arrays) == ["x"]
    assert "absent.h5" in group.unreadable["no_file"].reason
    assert "other.h5" in group.unreadable["no_object"].reason
    assert "not an HDF5 file" in group.unreadable["no_hdf5"].reason


def test_ten_thousand_groups(tmp_path: Path) -> None:
    path = tmp_path / "groups.h5"
    with h5py.File(path, "w", libver="v110") as file:
        for i in range(100):
            outer = file.create_group(f"g{i}")
            for j in range(100):
                outer.create_group(f"h{j}")
        file["g99/h99/x"] = 1
    group = parse(path)
    assert sum(1 for _ in group.walk()) == 10_101
    assert paths(group) == {"g99/h99/x"}


def test_a_group_of_choice(tmp_path: Path) -> None:
    path = tmp_path / "groups.h5"
    with h5py.File(path, "w") as file:
        file["a/b/x"] = 1
        file["a/y"] = 2
    assert paths(parse(path, group="/a/")) == {"b/x", "y"}
    with pytest.raises(KeyError, match="no group 'a/c'"):
        parse(path, group="a/c")
    with pytest.raises(KeyError, match=r"'a/y' .* is no group"):
        parse(path, group="a/y")


def test_variables_are_dropped_by_name_and_by_path(tmp_path: Path) -> None:
    path = tmp_path / "groups.h5"
    with h5py.File(path, "w") as file:
        for name in ("x", "y", "a/x", "a/y", "a/b/x"):
            file[name] = 1
    assert paths(parse(path, drop_variables="x")) == {"y", "a/y"}
    assert paths(parse(path, drop_variables=["a/x", "/a/b/x"])) == {"x", "y", "a/y"}
    assert paths(parse(path, drop_variables=iter(["b"]), group="a")) == {"x", "y"}


def test_members_come_in_the_order_in_which_they_were_made_where_that_is_known(tmp_path: Path) -> None:
    for track_order, expected in ((True, ["z", "a"]), (False, ["a", "z"])):
        path = tmp_path / f"order_{track_order}.h5"
        with h5py.File(path, "w", track_order=track_order) as file:
            file["z"], file["a"] = 1, 2
        assert list(parse(path).arrays) == expected
