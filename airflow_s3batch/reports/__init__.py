"""Completion reports: made from what the attempts at a job left behind, and read back into a data frame."""

from __future__ import annotations

from airflow_s3batch.reports.build import build_report
from airflow_s3batch.reports.read import read_report, read_rows
from airflow_s3batch.reports.stored_summary import read_summary, summary_schema
from airflow_s3batch.reports.summary import JobSummary

__all__ = ["JobSummary", "build_report", "read_report", "read_rows", "read_summary", "summary_schema"]
