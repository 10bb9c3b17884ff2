"""The tables that the API owns, as assets that marts read."""

import dagster as dg

_SOURCES = {
    "products": "Sensor models that can be ordered, with their unit, spec limits, price and lead time.",
    "customers": "Who orders, with their tier and limits.",
}

specs = [
    dg.AssetSpec(name, description=text, group_name="catalogue", kinds={"postgres"}) for name, text in _SOURCES.items()
]
