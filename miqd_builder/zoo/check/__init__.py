"""Checks of models: does each one build, keep the contract, and reach its published figure."""
