"""How well the scores of quality models, and classical measures, agree with labels."""
