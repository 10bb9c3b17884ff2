"""Names in a policy that mean nothing: customers, skus and sensor types that the warehouse doesn't know."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from agent.policy_file import PolicyFile, PreferredSites, Selector
from warehouse.catalogue import Product


def unknown_names(file: PolicyFile, customers: Collection[str], products: Mapping[str, Product]) -> list[str]:
    """A sentence for each entry that can apply to no order, since what it names isn't there: most likely misspelt."""
    known: dict[str, Collection[str]] = {
        "customer": customers,
        "sku": products,
        "sensor_type": {product.sensor_type for product in products.values()},
    }
    return [
        f"{where} names {kind} {name}, which the warehouse does not know"
        for where, entry in _entries(file)
        for kind, names in known.items()
        if (name := getattr(entry, kind, None)) is not None and name not in names
    ]


def _entries(file: PolicyFile) -> Iterator[tuple[str, Selector | PreferredSites]]:
    for rule in file.rules:
        for entry in (*getattr(rule, "limits", ()), *getattr(rule, "forbidden", ())):
            if not isinstance(entry, str):
                yield f"rule {rule.id}", entry
    for one in file.preferred_sites:
        yield "preferred_sites", one
