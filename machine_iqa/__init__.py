"""Quality models that predict, from pixels alone, what a degradation does to vision models."""
