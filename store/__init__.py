"""Ground floor: the state directory, settings, the database and every query, log files."""
