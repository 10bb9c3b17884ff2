"""Which of several entries of a policy counts for an order: the most specific one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Generic, TypeAlias, TypeVar

from pydantic import BaseModel

from warehouse.catalogue import Customer, Product

T = TypeVar("T")
_Key: TypeAlias = tuple[str | None, str | None]

# The most specific first: who orders goes before what is ordered. What a file calls a customer is its id.
_WHO = {"customer": "customer_id", "tier": "tier", "region": "region", None: None}
_WHAT = {"sku": "sku", "sensor_type": "sensor_type", None: None}


@dataclass(frozen=True)
class Selection(Generic[T]):
    """Values by whose order of what they are for, in steps from the most specific to the least."""

    steps: tuple[tuple[Callable[[Customer, Product], _Key], Mapping[_Key, T]], ...]

    def of(self, customer: Customer, product: Product) -> T | None:
        """The value that counts for this customer's order of this product; null when none is for it."""
        for key, values in self.steps:
            found = values.get(key(customer, product))
            if found is not None:
                return found
        return None


def selection(entries: Iterable[tuple[BaseModel, T]]) -> Selection[T]:
    """The values of entries that each name whom and what they are for; no two the same."""
    by_step: dict[tuple[str | None, str | None], dict[_Key, T]] = {(who, what): {} for who in _WHO for what in _WHAT}
    for entry, value in entries:
        who = next(name for name in _WHO if name is None or getattr(entry, name, None) is not None)
        what = next(name for name in _WHAT if name is None or getattr(entry, name, None) is not None)
        by_step[who, what][getattr(entry, who) if who else None, getattr(entry, what) if what else None] = value
    return Selection(tuple((_key(who, what), values) for (who, what), values in by_step.items() if values))


def _key(who: str | None, what: str | None) -> Callable[[Customer, Product], _Key]:
    of_customer, of_product = _reader(_WHO[who]), _reader(_WHAT[what])
    if not of_customer and not of_product:
        return lambda _customer, _product: (None, None)
    return lambda customer, product: (
        of_customer(customer) if of_customer else None,
        of_product(product) if of_product else None,
    )


def _reader(attribute: str | None) -> Callable[[object], str] | None:
    return attrgetter(attribute) if attribute else None
