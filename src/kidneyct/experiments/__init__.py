"""A study over many runs: what to run, its probes, its pooled results and their charts."""
