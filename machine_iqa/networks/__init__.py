"""Networks that score images: the published ones and our own."""
