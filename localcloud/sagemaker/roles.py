"""Execution roles: S3 and SNS clients that act as a role, and credentials that containers fetch."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.loaders import Loader
from botocore.session import Session as BotocoreSession

from localcloud.ports import Access, AccessDenied, Credentials
from localcloud.sagemaker.errors import ValidationException

_RENEW_BEFORE = 15 * 60  # seconds of validity that fresh credentials must have left
# The user's own profiles and settings have no say in what a role may do.
_NOTHING_OF_THE_USER = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


class _SharedLoader(Loader):
    """A loader for many sessions: each boto3 session appends a folder to its search path."""

    @property
    def search_paths(self) -> list[str]:
        return list(super().search_paths)


class Roles:
    """What the service may do as somebody's execution role."""

    def __init__(self, access: Access, region: str, endpoints: Mapping[str, str], url: str) -> None:
        self._access = access
        self._region = region
        self._endpoints = dict(endpoints)
        self._url = url
        # Reading the model of S3 takes a fifth of a second: once, not for every job.
        self._loader = _SharedLoader()
        self._lock = threading.Lock()
        self._tokens: dict[str, tuple[str, str]] = {}
        self._fresh: dict[tuple[str, str], Credentials] = {}

    def s3(self, role_arn: str, session_name: str) -> Any:
        """A boto3 S3 client with the role's credentials, renewed for as long as it is used.

        Raises AccessDenied, here or on later use, when the role cannot be assumed.
        """
        config = Config(
            s3={"addressing_style": "path"},
            retries={"mode": "standard", "max_attempts": 4},
            max_pool_connections=32,
        )
        return self._client("s3", role_arn, session_name, config)

    def sns(self, role_arn: str, session_name: str) -> Any:
        """The same for SNS."""
        config = Config(retries={"mode": "standard", "max_attempts": 4})
        return self._client("sns", role_arn, session_name, config)

    def _client(self, service: str, role_arn: str, session_name: str, config: Config) -> Any:
        def refresh() -> dict[str, str]:
            given = self._access.credentials(role_arn, session_name)
            return {
                "access_key": given.access_key_id,
                "secret_key": given.secret_access_key,
                "token": given.session_token,
                "expiry_time": given.expiration.isoformat(),
            }

        session = BotocoreSession(session_vars=_NOTHING_OF_THE_USER)
        session.register_component("data_loader", self._loader)
        credentials = RefreshableCredentials.create_from_metadata(
            metadata=refresh(), refresh_using=refresh, method="sagemaker-execution-role"
        )
        # botocore has no public way to hand in credentials that renew themselves.
        vars(session)["_credentials"] = credentials
        endpoint = self._endpoints.get(f"AWS_ENDPOINT_URL_{service.upper()}")
        return boto3.Session(botocore_session=session, region_name=self._region).client(
            service,
            endpoint_url=endpoint or self._endpoints.get("AWS_ENDPOINT_URL"),
            config=config,
        )

    def check_assumable(self, role_arn: str) -> None:
        """Return if SageMaker can assume the role: it exists and trusts the service.

        For the operations that are handed a role, or a model that has one, before they make
        anything. Raises ValidationException in AWS's words. Source of the words, for
        CreateTransformJob: github.com/awslabs/predictive-maintenance-using-machine-learning, issue
        3. That the operations which make models and training jobs ask as early is known from
        practice; for tuning jobs it is not documented, and we ask.
        """
        try:
            self._access.credentials(role_arn, "SageMaker")
        except AccessDenied as error:
            raise ValidationException(
                f"Could not assume role {role_arn}. Please ensure that the role exists and allows "
                "principal 'sagemaker.amazonaws.com' to assume the role."
            ) from error

    def open(self, role_arn: str, session_name: str) -> tuple[str, str]:
        """Let a container fetch the role's credentials.

        Returns (token to `close` with, value for AWS_CONTAINER_CREDENTIALS_FULL_URI).
        """
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._tokens[token] = (role_arn, session_name)
            # The role may have been made anew since an earlier container of this name.
            self._fresh.pop((role_arn, session_name), None)
        return token, f"{self._url}/containers/{token}/credentials"

    def close(self, token: str) -> None:
        """The container is gone: its token opens nothing any more."""
        with self._lock:
            owner = self._tokens.pop(token, None)
            if owner is not None and owner not in self._tokens.values():
                self._fresh.pop(owner, None)

    def credentials(self, token: str) -> dict[str, str] | None:
        """What `GET /containers/<token>/credentials` answers; None for an unknown token.

        Raises AccessDenied when the role cannot be assumed (any more).
        """
        with self._lock:
            owner = self._tokens.get(token)
            kept = self._fresh.get(owner) if owner else None
        if owner is None:
            return None
        if kept is None or (kept.expiration - datetime.now(UTC)).total_seconds() < _RENEW_BEFORE:
            kept = self._access.credentials(*owner)
            with self._lock:
                self._fresh[owner] = kept
        return {
            "AccessKeyId": kept.access_key_id,
            "SecretAccessKey": kept.secret_access_key,
            "Token": kept.session_token,
            "Expiration": kept.expiration.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
