"""Import and export of labels and images in published formats: a registry of formats."""
