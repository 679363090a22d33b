"""What trainings and searches cost on a GPU: ``python -m benchmarks.gpu``."""
