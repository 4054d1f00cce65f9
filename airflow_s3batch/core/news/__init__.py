"""
News: what a job's tasks tell Airflow by XCom, so that Airflow's API server needs no S3 to show it.

Small JSON documents with counts, pointers and sentences; keys of objects are percent-encoded. Whoever writes them
bounds them, and whoever reads them believes nothing: any Dag can write under these keys.
"""

from __future__ import annotations

from airflow_s3batch.core.news.plan import PLAN_KEY, PlanNews
from airflow_s3batch.core.news.progress import PROGRESS_KEY, Codes, ProgressNews
from airflow_s3batch.core.news.report import REPORT_KEY, ReportNews

__all__ = ["PLAN_KEY", "PROGRESS_KEY", "REPORT_KEY", "Codes", "PlanNews", "ProgressNews", "ReportNews"]
