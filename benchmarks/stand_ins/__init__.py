"""Stand-ins for what takes long: models that answer at once, a run of tiny images, a store whose delay is known."""
