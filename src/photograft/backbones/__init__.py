"""Networks: their records, their weights, and running them frozen."""
