"""Drawing: chart, gauges, tables, forms."""
