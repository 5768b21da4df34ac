"""Drivers of the real programs, shared by behave, pytest, Robot Framework and the benchmarks."""
