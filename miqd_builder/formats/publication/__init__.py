"""What is common to data sets that are published as a few large files: shards, card, Croissant, recipe, manifest, checks."""
