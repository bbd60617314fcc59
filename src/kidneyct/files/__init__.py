"""Files of the pipeline: written whole or not at all, arrays in index order, tables with one schema, checkpoints."""
