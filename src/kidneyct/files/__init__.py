"""Files of the pipeline: written whole or not at all, arrays by index, tables of one schema, checkpoints, records."""
