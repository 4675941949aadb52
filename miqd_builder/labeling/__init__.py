"""From responses to scores (one model, one image) to labels (one image, over all models)."""
