"""Images with their labels, for training quality networks: from run folders and from the published tree."""
