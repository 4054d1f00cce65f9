"""Benchmarks. Each compares with a peer or the bare library in the same run; read ratios, not times."""
