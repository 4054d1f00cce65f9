"""How errors of the layers below become Airflow's: what a retry can't cure fails at once."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from airflow_s3batch.core.errors import S3BatchError
from airflow_s3batch.hooks.airflow_names import AirflowException, AirflowFailException

RUNBOOK = "docs/operating/runbook.md"
"""Page with a section for each class of errors, named like the class."""

log = logging.getLogger(__name__)


def airflow_error(message: str, *, is_retryable: bool) -> AirflowException:
    """Return the exception that makes a task end with *message*, and be retried only if *is_retryable*."""
    return AirflowException(message) if is_retryable else AirflowFailException(message)


@contextlib.contextmanager
def airflow_errors() -> Iterator[None]:
    """
    Translate every `S3BatchError` of the block; other exceptions are bugs or Airflow's own and pass through.

    The log names the class, which is lost in the translation, and where the runbook says what to do about it.
    """
    try:
        yield
    except S3BatchError as error:
        name = type(error).__name__
        log.info("%s: what to do about it is in %s#%s", name, RUNBOOK, name.lower())
        translated = airflow_error(str(error), is_retryable=error.is_retryable)
        # The sentence says it all; the stack is of interest only where the world misbehaved.
        raise translated from (error if error.is_retryable else None)
