"""Statistics of labels and scores by distortion, region, severity and model; the report; comparison with other labels."""
