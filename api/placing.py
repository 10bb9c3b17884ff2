"""Orders are placed: many in one transaction, each once whatever is repeated, within limits that hold for them all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from uuid_utils.compat import uuid7

from agent.order_states import PLACED
from agent.policy import Asked, Decision, Policy, decide
from api.idempotency import check_same
from api.order_json import etag, order_json
from sensorhouse.errors import DependencyDown, Invalid, KeyReused, KeyTaken
from warehouse import answers, order_batch, order_log
from warehouse.answers import Answer, Key
from warehouse.catalogue import Bought
from warehouse.group_commit import GroupCommit
from warehouse.order_batch import Facts
from warehouse.order_log import Entry
from warehouse.orders import Order
from warehouse.pool import transaction

if TYPE_CHECKING:
    from warehouse.pool import Pool

# A repeat that arrives while the first is still under way waits for its answer this long.
REPEAT_WAITS_S = 5.0
# A flush whose customers somebody else has locked does not hold up everyone: each order is then tried alone.
_FLUSH_LOCKED_FOR = "500ms"


@dataclass(frozen=True, slots=True)
class Wish:
    """An order that somebody wants to place, valid in itself; `fingerprint` is the SHA-256 of what was asked."""

    key: Key
    fingerprint: bytes
    customer_id: str
    sku: str
    quantity: int
    requested_for: date | None
    notes: str | None
    username: str


@dataclass(frozen=True, slots=True)
class Placed:
    """The answer to a wish, and whether it was given before."""

    answer: Answer
    is_repeat: bool


class Placing:
    """Places orders through one group commit; made once per process, in its event loop."""

    def __init__(
        self, pool: Pool, policy: Policy, *, flush_rows: int, longest_queue: int, keys_kept_for: timedelta
    ) -> None:
        self._pool, self._policy, self._keys_kept_for = pool, policy, keys_kept_for
        self._group = GroupCommit[Wish, Placed](self._write, most=flush_rows, longest_queue=longest_queue)
        self._under_way: dict[Key, tuple[bytes, asyncio.Future[Placed]]] = {}

    @property
    def waiting(self) -> int:
        """How many orders are not written yet."""
        return self._group.waiting

    @property
    def is_full(self) -> bool:
        """Whether one more order would be refused for the queue's length."""
        return self._group.is_full

    async def place(self, wish: Wish) -> Placed:
        """The answer, once it is committed.

        Raises `Overloaded` when too many wait, `KeyReused` when the key stood for another request, `KeyTaken` when the
        first with this key is not done in time, `Invalid` for a customer that doesn't exist, and `DependencyDown`.
        """
        if first := self._under_way.get(wish.key):
            return await self._repeat(wish, *first)
        answer = self._group.add(wish)
        self._under_way[wish.key] = wish.fingerprint, answer
        answer.add_done_callback(lambda _: self._under_way.pop(wish.key))
        # Shielded: when this client goes, those who repeat its request still want to hear.
        return await asyncio.shield(answer)

    async def close(self) -> None:
        """Place what was taken, and take no more."""
        await self._group.close()

    async def _repeat(self, wish: Wish, fingerprint: bytes, first: asyncio.Future[Placed]) -> Placed:
        check_same(fingerprint, wish.fingerprint)
        try:
            async with asyncio.timeout(REPEAT_WAITS_S):
                return Placed((await asyncio.shield(first)).answer, is_repeat=True)
        except TimeoutError as error:
            raise KeyTaken("the first request with this Idempotency-Key is not done yet; send it again") from error

    async def _write(self, wishes: Sequence[Wish], alone: bool) -> list[Placed | Exception]:
        try:
            return await self._write_once(wishes, alone)
        except DependencyDown:
            # A connection of the pool that died unnoticed. Safe even if all was committed: the keys were, too.
            return await self._write_once(wishes, alone)

    async def _write_once(self, wishes: Sequence[Wish], alone: bool) -> list[Placed | Exception]:
        async with transaction(self._pool) as connection:
            if not alone:
                await connection.execute(f"set local lock_timeout = '{_FLUSH_LOCKED_FOR}'")
            facts = await order_batch.lock_facts(connection, {wish.customer_id for wish in wishes})
            since = facts.clock - self._keys_kept_for
            known = await answers.find(connection, [wish.key for wish in wishes], since=since)
            batch = _Batch(self._policy, facts, known)
            results = [batch.take(wish) for wish in wishes]
            if batch.entries:
                await order_batch.insert(connection, [entry.order for entry in batch.entries])
                await order_log.write(connection, batch.entries)
                await answers.keep(connection, batch.answers, at=facts.clock, since=since)
        return results


class _Batch:
    """The wishes of one flush, decided one after another: each sees what those before it ordered."""

    def __init__(self, policy: Policy, facts: Facts, known: Mapping[Key, Answer]) -> None:
        self._policy, self._facts, self._known = policy, facts, known
        self._usage = {customer_id: dict(bought) for customer_id, bought in facts.usage.items()}
        self.entries: list[Entry] = []
        self.answers: dict[Key, Answer] = {}

    def take(self, wish: Wish) -> Placed | Exception:
        if answer := self._known.get(wish.key):
            try:
                check_same(answer.fingerprint, wish.fingerprint)
            except KeyReused as error:
                return error
            return Placed(answer, is_repeat=True)
        if wish.customer_id not in self._facts.customers:
            return Invalid(f"there is no customer {wish.customer_id}")
        order = self._decided(wish)
        answer = Answer(wish.fingerprint, 201, f"/orders/{order.order_id}", etag(order), order_json(order))
        self.entries.append(Entry(order, PLACED, wish.username))
        self.answers[wish.key] = answer
        return Placed(answer, is_repeat=False)

    def _decided(self, wish: Wish) -> Order:
        facts, usage = self._facts, self._usage.setdefault(wish.customer_id, {})
        asked = Asked(wish.sku, wish.quantity, wish.requested_for, facts.clock.date())
        decision = decide(self._policy, facts.customers[wish.customer_id], facts.products, asked, usage)
        product = facts.products.get(wish.sku)
        order = _new_order(wish, decision, product.price if product else Decimal(0), facts.clock, self._policy)
        if decision.status != "rejected":
            before = usage.get(wish.sku, Bought())
            usage[wish.sku] = Bought(before.quantity + order.quantity, before.value + order.value)
        return order


def _new_order(wish: Wish, decision: Decision, price: Decimal, at: datetime, policy: Policy) -> Order:
    waits = decision.status == "pending_approval"
    return Order(
        order_id=uuid7(),
        customer_id=wish.customer_id,
        sku=wish.sku,
        quantity=wish.quantity,
        value=price * wish.quantity,
        requested_for=wish.requested_for,
        notes=wish.notes,
        status=decision.status,
        reason=decision.reason,
        approve_by=at + timedelta(days=policy.approval.expires_after_days) if waits else None,
        version=1,
        policy_version=decision.policy_version,
        created_by=wish.key.user_id,
        created_at=at,
        updated_at=at,
    )
