"""What an app may touch: tricks with paths and urls, and ways out of a file that may be read."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import vzlab as vz
from tests.archives import write_daily_file
from vzlab.errors import AccessDeniedError, VzlabError
from vzlab.storage.gate import gated
from vzlab.webapp.plain_http import PlainHttpStore
from vzlab.webapp.policy import Policy

SECRET = b"nobody may read this"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a directory that may be read, beside a file and a directory that may not."""
    (tmp_path / "secret.bin").write_bytes(SECRET)
    (tmp_path / "open-not").mkdir()
    inside = tmp_path / "open"
    (inside / "below").mkdir(parents=True)
    (inside / "a.bin").write_bytes(b"fine")
    (inside / "link.bin").symlink_to(tmp_path / "secret.bin")
    (inside / "up").symlink_to(tmp_path)
    return inside


def allowed(policy: Policy, location: str) -> bool:
    try:
        policy.check_location(location)
    except AccessDeniedError:
        return False
    return True


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}", "FILE://{}"])
@pytest.mark.parametrize(
    ("path", "is_inside"),
    [
        ("a.bin", True), ("below/../a.bin", True), ("not-there.nc", True), ("link.bin", False), ("up/secret.bin", False),
        ("../secret.bin", False), ("below/../../secret.bin", False), ("../open-not/x", False), ("up", False),
    ],
)  # fmt: skip
def test_local_files_are_judged_by_where_they_really_are(
    root: Path, form: str, path: str, is_inside: bool
) -> None:
    assert allowed(Policy.of(roots=[root]), form.format(f"{root}/{path}")) is is_inside


@pytest.mark.parametrize(
    "path", ["%2e%2e/secret.bin", "..%2Fsecret.bin", "%2e%2e%2fsecret.bin", "below/%2E%2E/%2E%2E/secret.bin"]
)
def test_encoded_dots_in_file_urls_do_not_lead_out(root: Path, path: str) -> None:
    assert not allowed(Policy.of(roots=[root]), f"file://{root}/{path}")


@pytest.mark.parametrize(
    "place",
    [
        "/etc/passwd",
        "~/.ssh/id_rsa",
        "/proc/self/environ",
        "file:///etc/passwd",
        "/",
        "a\0b",
        "..\\secret.bin",
        "memory://x/y",
    ],
)
def test_nothing_else_of_the_machine_is_allowed(root: Path, place: str) -> None:
    assert not allowed(Policy.of(roots=[root]), place)


def test_a_refusal_is_the_same_whether_or_not_something_is_there(root: Path) -> None:
    policy = Policy.of(roots=[root])
    with pytest.raises(AccessDeniedError) as there:
        policy.check_location(str(root.parent / "secret.bin"))
    with pytest.raises(AccessDeniedError) as absent:
        policy.check_location(str(root.parent / "absent.bin"))
    assert str(there.value).replace("secret", "absent") == str(absent.value)


@pytest.mark.parametrize("pattern", ["{root}/*.bin", "{root}/**/*.bin", "{root}/below/*"])
def test_globs_below_a_root_are_allowed(root: Path, pattern: str) -> None:
    assert allowed(Policy.of(roots=[root]), pattern.format(root=root))


@pytest.mark.parametrize(
    "pattern", ["/*", "/etc/*", "{root}/../*.bin", "{root}/*/../../*", "{root}/up/*", "*"]
)
def test_globs_lead_nowhere_else(root: Path, pattern: str) -> None:
    assert not allowed(Policy.of(roots=[root]), pattern.format(root=root))


def test_a_glob_that_meets_a_link_out_is_refused(root: Path) -> None:
    from vzlab.datasets import expand_sources

    with gated(Policy.of(roots=[root])), pytest.raises(AccessDeniedError):
        expand_sources(f"{root}/*.bin")


@pytest.mark.parametrize(
    "url",
    [
        "https://data.org/open/a.nc", "https://DATA.org:443/open/a.nc", "https://data.org/open",
        "https://data.org/open/a b/%23.nc", "https://data.org/open/a.nc?signature=1", "s3://bucket/prefix/a.nc", "s3a://bucket/prefix/a.nc",
    ],
)  # fmt: skip
def test_urls_below_a_prefix_are_allowed(url: str) -> None:
    assert allowed(Policy.of(allow_urls=["https://data.org/open/", "s3://bucket/prefix"]), url)


@pytest.mark.parametrize(
    "url",
    [
        "http://data.org/open/a.nc", "https://data.org:8443/open/a.nc", "https://data.org.evil.org/open/a.nc",
        "https://data.org@evil.org/open/a.nc", "https://user:word@data.org/open/a.nc", "https://data.org%40evil.org/open/a",
        "https://data.org/opened/a.nc", "https://data.org/open/../secret", "https://data.org/open/%2e%2e/secret",
        "https://data.org/open/%252e%252e/secret", "https://data.org/open/%25252e%25252e/secret", "https://data.org/open/..%2fsecret",
        "https://data.org/open/..%5csecret", "https://data.org\\@evil.org/open/a", "https://evil.org/open/a.nc",
        "https://evil.org/?https://data.org/open", "https://evil.org/#https://data.org/open", "https://data.org:port/open/a",
        "s3://bucket/prefixed/a.nc", "s3://bucket2/prefix/a.nc", "s3://bucket/prefix/../a.nc", "gs://bucket/prefix/a.nc",
        "ftp://data.org/open/a.nc", "http://169.254.169.254/latest/meta-data", "http://localhost:8080/", "http://[::1]/",
    ],
)  # fmt: skip
def test_other_urls_are_refused(url: str) -> None:
    assert not allowed(Policy.of(allow_urls=["https://data.org/open/", "s3://bucket/prefix"]), url)


@pytest.mark.parametrize("prefix", ["https://", "data.org", "/data", "file:///data", "https://user@host/"])
def test_a_prefix_that_is_none_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix of urls"):
        Policy.of(allow_urls=[prefix])


@pytest.mark.parametrize(
    "option",
    ["endpoint", "AWS_ENDPOINT_URL", "proxy_url", "client_options", "service_account_path", "azure_endpoint"],
)
def test_options_that_name_another_place_are_refused(option: str) -> None:
    policy = Policy.of(allow_urls=["s3://bucket"])
    policy.check_options({"region": "eu-west-1", "aws_access_key_id": "k", "skip_signature": True})
    with pytest.raises(AccessDeniedError, match=option):
        policy.check_options({option: "http://169.254.169.254"})


def test_a_message_tells_neither_user_nor_query() -> None:
    with pytest.raises(AccessDeniedError) as refused:
        Policy.of().check_location("https://me:word@host/a.nc?signature=abc")
    assert "word" not in str(refused.value)
    assert "abc" not in str(refused.value)


# -- from inside of files -------------------------------------------------------------------------------------------


def kerchunk_to(url: str) -> dict[str, Any]:
    array = {"zarr_format": 2, "shape": [20], "chunks": [20], "dtype": "|u1", "compressor": None, "filters": None,
             "fill_value": 0, "order": "C"}  # fmt: skip
    refs = {".zgroup": '{"zarr_format": 2}', "x/.zarray": json.dumps(array), "x/.zattrs": '{"_ARRAY_DIMENSIONS": ["x"]}',
            "x/0": [url, 0, 20]}  # fmt: skip
    return {"version": 1, "refs": refs}


@pytest.mark.parametrize(
    "target",
    ["{up}/secret.bin", "file://{up}/secret.bin", "link.bin", "http://169.254.169.254/x", "s3://b/k"],
)
def test_references_that_lead_elsewhere_are_not_read(root: Path, target: str) -> None:
    file = root / "refs.json"
    file.write_text(json.dumps(kerchunk_to(target.format(up=root.parent))))
    with gated(Policy.of(roots=[root])):
        group = vz.open_group(str(file))
        store = vz.ManifestStore(group, vz.StoreRegistry())
        import zarr

        with pytest.raises((AccessDeniedError, VzlabError), match="outside of what this app may touch"):
            zarr.open_group(store, mode="r")["x"][:]


def test_references_inside_the_root_are_read(root: Path) -> None:
    (root / "a.bin").write_bytes(bytes(range(1, 21)))
    (root / "refs.json").write_text(json.dumps(kerchunk_to("a.bin")))
    with gated(Policy.of(roots=[root])):
        dataset = vz.open_virtual_dataset(str(root / "refs.json"), loadable_variables=["x"])
    assert dataset["x"].values.tolist() == list(range(1, 21))


def hdf5_external(path: Path, target: str) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", shape=(20,), dtype="u1", external=[(target, 0, 20)])


def hdf5_virtual(path: Path, target: str) -> None:
    layout = h5py.VirtualLayout(shape=(20,), dtype="u1")
    layout[:] = h5py.VirtualSource(target, "x", shape=(20,))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("x", layout)


def hdf5_link(path: Path, target: str) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = h5py.ExternalLink(target, "/x")


@pytest.mark.parametrize(
    "make", [hdf5_external, hdf5_virtual, hdf5_link], ids=["external", "virtual", "link"]
)
def test_hdf5_does_not_reach_out_of_its_root(root: Path, make: Callable[[Path, str], None]) -> None:
    other = root.parent / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = np.frombuffer(SECRET, "u1")
    make(root / "a.h5", str(other))
    with gated(Policy.of(roots=[root])):
        try:
            values = vz.open_virtual_dataset(str(root / "a.h5"), loadable_variables=["x"])["x"].values
        except (VzlabError, KeyError, NotImplementedError):
            return
        assert SECRET not in values.tobytes()


def test_values_that_the_library_would_read_elsewhere_are_not_loaded(root: Path) -> None:
    hdf5_external(root / "a.h5", str(root.parent / "secret.bin"))
    with gated(Policy.of(roots=[root])), pytest.raises(AccessDeniedError, match="in other files"):
        vz.parsers.HDF5Parser().load_variable(str(root / "a.h5"), None, "x")
    assert vz.parsers.HDF5Parser().load_variable(str(root / "a.h5"), None, "x").values.tobytes() == SECRET


def test_icechunk_is_opened_neither_elsewhere_nor_with_containers_elsewhere(root: Path) -> None:
    archive = root.parent / "archive.h5"
    with h5py.File(archive, "w") as file:
        file["x"] = np.arange(8)
    vz.open_virtual_dataset(str(archive)).vzlab.to_icechunk(root / "repository")
    vz.open_virtual_dataset(str(archive)).vzlab.to_icechunk(root.parent / "elsewhere")
    with gated(Policy.of(roots=[root])):
        with pytest.raises(AccessDeniedError):
            vz.open_icechunk(root / "repository")
        with pytest.raises(AccessDeniedError):
            vz.inspect(str(root.parent / "elsewhere"))
        with pytest.raises(VzlabError, match="outside of what this app may touch"):
            vz.open_virtual_dataset(str(root / "repository"), loadable_variables=["x"])


def test_nothing_is_written_elsewhere(root: Path) -> None:
    with h5py.File(root / "a.h5", "w") as file:
        file["x"] = np.arange(8)
    with gated(Policy.of(roots=[root])):
        dataset = vz.open_virtual_dataset(str(root / "a.h5"))
        for target in ("r.json", "r.parquet"):
            with pytest.raises(AccessDeniedError):
                dataset.vzlab.to_kerchunk(root.parent / target, format=target.partition(".")[2])
        with pytest.raises(AccessDeniedError):
            dataset.vzlab.to_icechunk(root.parent / "repository")
    assert not (root.parent / "repository").exists()


# -- redirects ------------------------------------------------------------------------------------------------------


@pytest.fixture
def redirecting() -> Iterator[tuple[str, list[str]]]:
    """Give the url of a server that sends whoever asks for /away to /inside, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if self.path.startswith("/away"):
                self.send_response(302)
                self.send_header("Location", "/inside")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = bytes(range(100))
            first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
            part = body[first : last + 1]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            self.wfile.write(part)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_redirects_are_not_followed(redirecting: tuple[str, list[str]]) -> None:
    url, asked = redirecting
    with gated(Policy.of(allow_urls=[f"{url}/away"])), pytest.raises(VzlabError, match="redirect"):
        _ = vz.StoreRegistry().open(f"{url}/away").size_bytes
    assert set(asked) == {"/away"}


def test_ranges_are_read_without_redirects(redirecting: tuple[str, list[str]]) -> None:
    url, asked = redirecting
    with gated(Policy.of(allow_urls=[url])):
        source = vz.StoreRegistry().open(f"{url}/inside")
        assert source.size_bytes == 100
        assert source.read(90, 5) == bytes(range(90, 95))
    assert PlainHttpStore(url).get_range("inside", start=5, length=3) == bytes([5, 6, 7])
    assert "/inside" in asked


def test_files_over_http_are_compared_with_an_independent_reader(tmp_path: Path, http_server: Any) -> None:
    write_daily_file(tmp_path / "sst.nc", n_lat=20, n_lon=40)
    url = http_server(tmp_path).url("sst.nc")
    with gated(Policy.of(allow_urls=[url])):
        comparison = vz.compare(vz.open_virtual_dataset(url), url)
    assert comparison.verdict == "PASS", str(comparison)
    with (
        gated(Policy.of(allow_urls=["https://elsewhere.example/"])),
        pytest.raises(VzlabError, match="outside"),
    ):
        vz.open_virtual_dataset(url)
