"""The shape of source data and of the published dataset: sources, columns, parquet, metadata."""
