"""From an archive to tensors, thumbnails and the index, each image decoded once."""
