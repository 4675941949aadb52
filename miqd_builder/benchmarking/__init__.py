"""What measures of image quality know about the labels of a run: correlations, filtering curves, trivial baselines."""
