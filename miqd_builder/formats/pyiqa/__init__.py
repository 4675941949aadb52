"""Folders of images with CSV files of labels, as the data sets of the ``pyiqa`` library are kept."""
