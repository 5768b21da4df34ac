"""The commands of ``agents job``, one module each."""
