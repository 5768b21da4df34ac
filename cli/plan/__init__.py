"""The commands of ``agents plan``, one module each."""
