"""Options of object stores as obstore names them, in the terms of Icechunk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from vzlab.errors import WriteError


def _plain(options: Mapping[str, Any] | None, *prefixes: str) -> dict[str, Any]:
    """Options under their short names: obstore takes ``AWS_REGION``, ``aws_region`` and ``region`` alike."""
    plain: dict[str, Any] = {}
    for name, value in (options or {}).items():
        short = name.lower()
        for prefix in prefixes:
            short = short.removeprefix(prefix)
        plain[short] = value
    return plain


def _is_true(value: Any) -> bool:
    return value is True or str(value).lower() in {"true", "1", "yes", "on"}


@dataclass(frozen=True, kw_only=True)
class S3Options:
    """Where an S3 bucket is, and who asks."""

    region: str | None = None
    endpoint_url: str | None = None
    allow_http: bool = False
    path_style: bool = False
    anonymous: bool = False
    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any] | None) -> Self:
        """From options as ``obstore.store.S3Store`` takes them."""
        plain = _plain(options, "aws_")
        endpoint = plain.get("endpoint", plain.get("endpoint_url"))
        client = plain.get("client_options") or {}
        allow_http = _is_true(client.get("allow_http", plain.get("allow_http", False)))
        virtual_hosted = plain.get("virtual_hosted_style_request")
        return cls(
            region=plain.get("region", plain.get("default_region")),
            endpoint_url=endpoint,
            allow_http=allow_http or str(endpoint or "").startswith("http://"),
            # An endpoint that is not Amazon's is most often one host for all buckets.
            path_style=endpoint is not None if virtual_hosted is None else not _is_true(virtual_hosted),
            anonymous=_is_true(plain.get("skip_signature", plain.get("anonymous", False))),
            access_key_id=plain.get("access_key_id"),
            secret_access_key=plain.get("secret_access_key"),
            session_token=plain.get("session_token", plain.get("token")),
        )

    def address(self) -> dict[str, Any]:
        """Where the bucket is, as `icechunk.s3_store` and `s3_storage` take it."""
        return {
            "region": self.region,
            "endpoint_url": self.endpoint_url,
            "allow_http": self.allow_http,
            "force_path_style": self.path_style,
        }

    def credentials(self) -> dict[str, Any]:
        """Who asks, as `icechunk.s3_credentials` and `s3_storage` take it."""
        if self.anonymous:
            return {"anonymous": True}
        if self.access_key_id is None:
            return {"from_env": True}
        return {
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key,
            "session_token": self.session_token,
        }


@dataclass(frozen=True, kw_only=True)
class GcsOptions:
    """Who asks for a Google Cloud Storage bucket."""

    anonymous: bool = False
    service_account_file: str | None = None
    service_account_key: str | None = None
    application_credentials: str | None = None
    bearer_token: str | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any] | None) -> Self:
        """From options as ``obstore.store.GCSStore`` takes them."""
        plain = _plain(options, "google_")
        return cls(
            anonymous=_is_true(plain.get("skip_signature", plain.get("anonymous", False))),
            service_account_file=plain.get("service_account_path", plain.get("service_account")),
            service_account_key=plain.get("service_account_key"),
            application_credentials=plain.get("application_credentials"),
            bearer_token=plain.get("bearer_token"),
        )

    def credentials(self) -> dict[str, Any]:
        """As `icechunk.gcs_credentials` and `gcs_storage` take them."""
        if self.anonymous:
            return {"anonymous": True}
        given = {
            "service_account_file": self.service_account_file,
            "service_account_key": self.service_account_key,
            "application_credentials": self.application_credentials,
            "bearer_token": self.bearer_token,
        }
        return {name: value for name, value in given.items() if value is not None} or {"from_env": True}


@dataclass(frozen=True, kw_only=True)
class AzureOptions:
    """Which Azure account, and who asks."""

    account_name: str | None = None
    anonymous: bool = False
    access_key: str | None = None
    sas_token: str | None = None
    bearer_token: str | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any] | None) -> Self:
        """From options as ``obstore.store.AzureStore`` takes them."""
        plain = _plain(options, "azure_storage_", "azure_")
        return cls(
            account_name=plain.get("account_name", plain.get("account")),
            anonymous=_is_true(plain.get("skip_signature", plain.get("anonymous", False))),
            access_key=plain.get("access_key", plain.get("account_key")),
            sas_token=plain.get("sas_token", plain.get("sas_key")),
            bearer_token=plain.get("bearer_token", plain.get("token")),
        )

    @property
    def account(self) -> str:
        """The account's name.

        Raises
        ------
        WriteError
            If the options do not have it.
        """
        if self.account_name is None:
            raise WriteError("An az:// url needs storage_options={'account_name': ...}; found none")
        return self.account_name

    def credentials(self) -> dict[str, Any]:
        """As `icechunk.azure_credentials` and `azure_storage` take them."""
        if self.anonymous:
            return {"anonymous": True}
        given = {
            "access_key": self.access_key,
            "sas_token": self.sas_token,
            "bearer_token": self.bearer_token,
        }
        return {name: value for name, value in given.items() if value is not None} or {"from_env": True}
