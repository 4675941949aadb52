"""The tables of a run folder: their columns, their lineage, and reading them."""
