"""An S3 server on loopback: moto's, in a process of its own, with buckets, a request log and ways to sign."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, cast

import obstore
from obstore.store import S3Store

from vzlab.testing.servers.request_log import Request

REGION = "us-east-1"
ACCESS_KEY_ID = "vzlab"
SECRET_ACCESS_KEY = "vzlab-secret"  # noqa: S105 - moto checks no signature
_START_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A bucket on the server."""

    name: str
    store: S3Store = field(repr=False)
    """Signed, for reading and writing."""

    def url(self, key: str = "") -> str:
        """Give the `s3://` url of a key, as it is: s3 urls are not percent-encoded."""
        return f"s3://{self.name}/{key}"

    def put(self, key: str, content: bytes) -> str:
        """Write an object and give its url."""
        obstore.put(self.store, key, content)
        return self.url(key)

    def upload(self, source: Path, key: str | None = None) -> str:
        """Upload a file, or a folder with all that is in it, and give the url.

        Parameters
        ----------
        source
            A file or a folder.
        key
            Of the file, or what the keys of a folder's files begin with; the name of `source` when None.
        """
        key = source.name if key is None else key
        if source.is_file():
            return self.put(key, source.read_bytes())
        for path in sorted(source.rglob("*")):
            if path.is_file():
                self.put(f"{key}/{path.relative_to(source).as_posix()}".lstrip("/"), path.read_bytes())
        return self.url(key)


@dataclass(frozen=True, kw_only=True)
class S3Server:
    """A running server."""

    endpoint: str
    _log_path: Path = field(repr=False)
    _numbers: Iterator[int] = field(default_factory=count, repr=False)
    _log_start: list[int] = field(default_factory=lambda: [0], repr=False)

    @property
    def storage_options(self) -> dict[str, Any]:
        """What obstore's `S3Store` needs to read and write as the owner."""
        return {
            **self._address_options,
            "access_key_id": ACCESS_KEY_ID,
            "secret_access_key": SECRET_ACCESS_KEY,
        }

    @property
    def anonymous_options(self) -> dict[str, Any]:
        """What obstore's `S3Store` needs to read a public bucket without signing."""
        return {**self._address_options, "skip_signature": True}

    @property
    def icechunk_options(self) -> dict[str, Any]:
        """What `icechunk.s3_storage` and `icechunk.s3_store` need for where the server is."""
        return {"endpoint_url": self.endpoint, "region": REGION, "allow_http": True, "force_path_style": True}

    @property
    def _address_options(self) -> dict[str, Any]:
        return {
            "endpoint": self.endpoint,
            "region": REGION,
            "virtual_hosted_style_request": False,
            "client_options": {"allow_http": True},
        }

    def bucket(self, name: str | None = None, *, public: bool = False) -> Bucket:
        """Make a bucket; its name is unused so far when None.

        Parameters
        ----------
        name
            As S3 allows: lower-case letters, digits, hyphens.
        public
            Whether anyone may list and get without signing. (HEAD stays 403 in moto for the anonymous.)
        """
        name = name or f"vzlab-{next(self._numbers)}"
        self._admin("PUT", f"/{name}")
        if public:
            self._admin("PUT", f"/{name}?policy", json.dumps(_public_policy(name)).encode())
        store = S3Store(
            name,
            retry_config={"max_retries": 1, "retry_timeout": timedelta(seconds=10)},
            **self.storage_options,
        )
        return Bucket(name=name, store=store)

    @property
    def requests(self) -> tuple[Request, ...]:
        """What was asked since the start or the last `clear_requests`, in the order of the answers."""
        with self._log_path.open("rb") as stream:
            stream.seek(self._log_start[0])
            lines = stream.read().splitlines()
        return tuple(Request(**json.loads(line)) for line in lines)

    def clear_requests(self) -> None:
        """Begin the request log anew."""
        self._log_start[0] = self._log_path.stat().st_size

    def _admin(self, method: str, path: str, body: bytes = b"") -> None:
        # Moto tells services apart by the credential scope; it does not check the signature.
        scope = f"{ACCESS_KEY_ID}/20260101/{REGION}/s3/aws4_request"
        headers = {
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
            # Anything but a form, which moto would take apart.
            "Content-Type": "application/octet-stream",
        }
        request = urllib.request.Request(self.endpoint + path, data=body, headers=headers, method=method)  # noqa: S310 - on loopback
        with _direct.open(request, timeout=20):
            pass


# Loopback is reached without any proxy that the environment names.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _public_policy(bucket: str) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": ["s3:GetObject", "s3:ListBucket"],
                "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
            }
        ],
    }


@contextmanager
def serve_s3(*, latency_s: float = 0.0) -> Iterator[S3Server]:
    """Serve S3 on a free port of the loopback until the block ends.

    Parameters
    ----------
    latency_s : float
        By which answers to those who read are delayed, as if the server were far away.

    Raises
    ------
    RuntimeError
        The server did not say its port in time; its standard error is in the message.
    """
    with tempfile.TemporaryDirectory(prefix="vzlab-s3-") as folder:
        log_path, error_path = Path(folder, "requests.jsonl"), Path(folder, "stderr.txt")
        log_path.touch()
        with error_path.open("wb") as errors:
            process = subprocess.Popen(  # noqa: S603 - this interpreter, and a program beside this one
                # -P: the folder of the program holds nothing that it may import.
                [
                    sys.executable,
                    "-P",
                    str(Path(__file__).with_name("moto_process.py")),
                    str(log_path),
                    str(latency_s),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        try:
            port = _first_line(process, timeout_s=_START_TIMEOUT_S)
            if not port:
                message = error_path.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"The S3 server did not start within {_START_TIMEOUT_S:g} s:\n{message}")
            yield S3Server(endpoint=f"http://127.0.0.1:{int(port)}", _log_path=log_path)
        finally:
            _end(process)


def _first_line(process: subprocess.Popen[str], *, timeout_s: float) -> str:
    stream = cast("Any", process.stdout)
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and process.poll() is None:
        if select.select([stream], [], [], 0.2)[0]:
            return str(stream.readline()).strip()
    return ""


def _end(process: subprocess.Popen[str]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=5)
