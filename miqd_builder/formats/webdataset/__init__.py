"""Tar files of samples, an image and its labels each, in the conventions of the ``webdataset`` library."""
