"""Systems side by side on one task: the same clock, the same final training, a study folder for every run."""
