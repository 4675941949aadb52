"""Planning and running the stages, and the commands."""
