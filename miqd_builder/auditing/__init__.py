"""Which distortion hurts which model, where and how much."""
