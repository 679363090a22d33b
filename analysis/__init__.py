"""Keep the best and show why: searches as they were recorded, structure files, tables, figures, the report."""
