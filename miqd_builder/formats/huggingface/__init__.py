"""Data set repositories of the Hugging Face Hub: Parquet files by configuration and split."""
