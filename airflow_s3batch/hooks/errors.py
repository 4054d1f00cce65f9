"""How errors of the layers below become Airflow's: what a retry can't cure fails at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from airflow_s3batch.core.errors import S3BatchError
from airflow_s3batch.hooks.airflow_names import AirflowException, AirflowFailException


def airflow_error(message: str, *, is_retryable: bool) -> AirflowException:
    """Return the exception that makes a task end with *message*, and be retried only if *is_retryable*."""
    return AirflowException(message) if is_retryable else AirflowFailException(message)


@contextlib.contextmanager
def airflow_errors() -> Iterator[None]:
    """Translate every `S3BatchError` of the block; other exceptions are bugs or Airflow's own and pass through."""
    try:
        yield
    except S3BatchError as error:
        translated = airflow_error(str(error), is_retryable=error.is_retryable)
        # The sentence says it all; the stack is of interest only where the world misbehaved.
        raise translated from (error if error.is_retryable else None)
