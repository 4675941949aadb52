"""The run folder: Parquet parts with fingerprints, images, and the record of the run."""
