"""One module for each back end; each imports its framework itself, when a model of it is built."""
