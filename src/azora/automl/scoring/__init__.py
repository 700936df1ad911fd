"""The scorecard: what searches cost and gave, recomputed from their folders and from nothing else."""
