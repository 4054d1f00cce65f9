"""The notifiers."""

from airflow_s3batch.notifications.event_bridge import EventBridgeJobNotifier

__all__ = ["EventBridgeJobNotifier"]
