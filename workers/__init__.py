"""The spawner, and what runs inside a job process."""
