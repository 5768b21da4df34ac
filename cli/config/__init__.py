"""The commands of ``agents config``, one module each."""
