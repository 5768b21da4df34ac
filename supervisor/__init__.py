"""The supervisor: claims jobs and decides; tells the spawner what to do."""
