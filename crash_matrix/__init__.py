"""The crash matrix: every fault at every point of a job's life, for real, and what is found afterwards."""
