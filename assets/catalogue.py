"""Tables that marts read and no run of Dagster makes, as assets."""

import dagster as dg

# What the API owns.
_SOURCES = {
    "products": "Sensor models that can be ordered, with their unit, spec limits, price and lead time.",
    "customers": "Who orders, with their tier and limits.",
    "lines": "Where products are made, with their capacity.",
    "orders": "Orders as the API has them.",
    "answer_times": "How long the API took to answer, by hour and route.",
    "units": "Sensors that were built for orders, and what their tests say.",
}

specs = [
    dg.AssetSpec(name, description=text, group_name="catalogue", kinds={"postgres"}) for name, text in _SOURCES.items()
]
specs.append(
    dg.AssetSpec(
        "slices",
        description="The drains' book: each slice that was loaded, how far each partition is, what was lost.",
        group_name="raw",
        kinds={"postgres"},
        # Written in the transactions that write these.
        deps=["raw_orders", "raw_readings"],
    )
)
