"""Labels and images in the forms in which others publish them, and back: a registry of formats."""
