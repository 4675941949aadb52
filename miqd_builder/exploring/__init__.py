"""The explorer: one HTML file with all labels of a run, and pictures of some sources (docs/explorer.md)."""
