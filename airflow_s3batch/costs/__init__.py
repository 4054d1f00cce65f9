"""What a job will cost, before it is started: an estimate from a price table that users can replace. No I/O."""

from airflow_s3batch.costs.cost_estimate import CostEstimate, CostItem
from airflow_s3batch.costs.estimating import estimate
from airflow_s3batch.costs.money import money
from airflow_s3batch.costs.prices import Price, PriceTable, shipped_prices
from airflow_s3batch.costs.totals import Totals

__all__ = ["CostEstimate", "CostItem", "Price", "PriceTable", "Totals", "estimate", "money", "shipped_prices"]
