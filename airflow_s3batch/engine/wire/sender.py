"""What requests of one connection are made with: its templates, its credentials, its signature."""

from __future__ import annotations

from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.engine.wire.credentials import SessionCredentials
from airflow_s3batch.engine.wire.prepared import Preparer, Template
from airflow_s3batch.engine.wire.signing import Signer
from airflow_s3batch.operations.requests import Call


class Sender:
    """
    Makes requests ready to be sent. Not for several threads.

    Attributes:
        preparer: of this connection's requests.
        credentials: of its session.
        signer: signs with them.
    """

    def __init__(self, access: S3Access) -> None:
        """Make what *access* needs; nothing is sent."""
        self.preparer = Preparer(access)
        self.credentials = SessionCredentials(self.preparer.client._request_signer._credentials)  # noqa: SLF001 - as resolved
        self.signer = Signer(self.credentials.current)
        self._asks_regions = access.is_aws
        self._known: set[str] = set()

    def template(self, call: Call, bucket: str) -> Template:
        """
        Return the template of *call* on *bucket*; where AWS has the bucket is asked before the first request on it.

        Raises:
            ArgumentError: botocore refuses the parameters.
            CapabilityError: the bucket needs a signature that is not supported here.
        """
        made = self.preparer.made.get((id(call), bucket))
        if made is not None:
            return made[1]
        if self._asks_regions and bucket and bucket not in self._known:
            self.preparer.learn_region(bucket)
            self._known.add(bucket)
        return self.preparer.template(call, bucket)
