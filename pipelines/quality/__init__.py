"""The way to the quality model that ships: labels of real photographs, training, evaluation."""
