"""The run folder: Parquet parts with content hashes, images, and the record of the run."""
