"""What all sensors of this package share: the store's arguments, deferral, and Airflow's ways to fail softly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_s3batch.hooks.airflow_names import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    conf,
)
from airflow_s3batch.hooks.arguments import bool_problems, config_problems, raise_for
from airflow_s3batch.hooks.s3 import DEFAULT_CONN_ID, StoreSettings

if TYPE_CHECKING:
    from airflow.sdk import Context


class S3BatchSensor(BaseSensorOperator):
    """
    Base of the sensors.

    Args:
        deferrable: wait in the triggerer, without a worker slot, after a first look; ``[operators]
            default_deferrable`` if left out.
        aws_conn_id: see `S3BatchOperator`, also for *region_name*, *verify* and *botocore_config*.
        kwargs: what every Airflow sensor takes: ``poke_interval``, ``timeout``, ``mode``, ``soft_fail``, ….
    """

    template_fields: Sequence[str] = ("aws_conn_id", "region_name")

    def __init__(
        self,
        *,
        deferrable: bool | None = None,
        aws_conn_id: str | None = DEFAULT_CONN_ID,
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = (
            conf.getboolean("operators", "default_deferrable", fallback=False) if deferrable is None else deferrable
        )
        raise_for(type(self).__name__, [*config_problems(botocore_config), *bool_problems(deferrable=self.deferrable)])
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config

    @property
    def store(self) -> StoreSettings:
        """The store that the arguments name."""
        return StoreSettings(self.aws_conn_id, self.region_name, self.verify, self.botocore_config)

    @property
    def store_arguments(self) -> dict[str, Any]:
        """The store's arguments, as the triggers take them."""
        return {
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "botocore_config": self.botocore_config,
        }

    def careful_poke(self, context: Context) -> PokeReturnValue:
        """Look once, and treat what goes wrong as `BaseSensorOperator` does between two pokes."""
        try:
            found = self.poke(context)
        except AirflowException as error:
            is_final = isinstance(error, AirflowFailException)
            if self.silent_fail and not is_final:
                self.log.warning("%s", error)
                return PokeReturnValue(is_done=False)
            if self.never_fail or (self.soft_fail and is_final):
                raise AirflowSkipException(str(error)) from error
            raise
        return found if isinstance(found, PokeReturnValue) else PokeReturnValue(is_done=bool(found))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after the deferral; where the time was up meanwhile, ``soft_fail`` skips in all versions of Airflow."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowSensorTimeout as error:
            raise self.time_is_up() from error

    def time_is_up(self) -> AirflowException:
        """Return what to raise when the sensor's timeout has passed."""
        text = f"{self.task_id}: still waiting after {self.timeout:,.0f} s, the sensor's timeout."
        return AirflowSkipException(text) if self.soft_fail else AirflowSensorTimeout(text)
