"""Models: their entries, weights and adapters."""
