"""Train quality networks on labelled images."""
