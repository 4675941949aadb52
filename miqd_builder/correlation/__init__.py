"""What a measure knows about a label: rank and linear correlation, logistic fit, intervals, noise ceiling, filtering curves."""
