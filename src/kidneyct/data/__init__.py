"""Where pictures come from, arrays in index order, series, splits, and what crosses a split. Knows no network."""
