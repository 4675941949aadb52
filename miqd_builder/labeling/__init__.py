"""Scores (one model, one image) from responses, and labels (one image, over all models) from scores."""
