"""From results to numbers: metrics with intervals, contrasts, tables, attribution, claims, gates."""
