"""The zoo files that ship: which models were chosen (``chosen.yaml``), and their facts, read out of the installed packages."""
