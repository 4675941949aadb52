"""What is done with one work item."""
