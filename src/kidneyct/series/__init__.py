"""Which images are slices of one scan, and the split that follows from it: lists of rows."""
