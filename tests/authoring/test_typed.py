"""A step that names a type gets that type, checked; what the type does not know stays."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Required,
    TypedDict,
)

import pydantic
from django.db.models import TextChoices
from django.test import SimpleTestCase
from hypothesis import given
from hypothesis import strategies as st

from durable import codec
from durable.authoring.self.decision import Decision
from durable.authoring.self.typed import bind, model_of
from durable.errors import DefinitionError, InvalidStepInput
from durable.helpers import append, increment

if TYPE_CHECKING:
    from durable.authoring.self.context import Data, QuestionSpec


class Color(TextChoices):
    RED = "red", "Red"


class Level(Enum):
    LOW = 1
    HIGH = 2


OrderId = NewType("OrderId", str)
NAMES = st.text("abcäöü", max_size=5)


@dataclass
class Item:
    price: float
    name: str = "thing"


@dataclass
class Order:
    id: str
    items: list[Item] = field(default_factory=list)
    color: Color | None = None


@dataclass
class Tree:
    name: str
    children: list[Tree] = field(default_factory=list)


class Address(TypedDict, total=False):
    street: Required[str]
    city: str


class Point(NamedTuple):
    x: int
    y: int


class Customer(TypedDict):
    name: str
    address: NotRequired[Address]


class Payment(pydantic.BaseModel):
    amount: Decimal
    currency: str = "EUR"
    paid_at: datetime | None = None


class Invoice(pydantic.BaseModel):
    number: str = pydantic.Field(alias="invoiceNumber", min_length=2)
    payment: Payment
    level: Level = Level.LOW


def plain_step(self: Any, data: dict[str, Any]) -> dict[str, Any]:
    return data


def order_step(self: Any, order: Order) -> Order:
    return order


def customer_step(self: Any, data: Customer) -> Customer:
    return data


def invoice_step(self: Any, data: Invoice) -> Invoice:
    return data


def item_step(self: Any, data: Data, item: Item, index: int) -> None: ...


def asking(annotation: Any, name: str = "data") -> Any:
    """A step with this annotation."""

    def step(self: Any, data: Any) -> Any: ...

    step.__annotations__ = {name: annotation}
    return step


def load(annotation: Any, value: Any) -> Any:
    """A value that goes in as the only field of a dataclass."""
    model = dataclasses.make_dataclass("Model", [("field", annotation)])
    return bind(asking(model)).data_in({"field": value}).field


class AnnotationTests(SimpleTestCase):
    """Which annotations ask for a type."""

    def test_plain_annotations_ask_for_nothing(self) -> None:
        def bare(self: Any, data, item):  # type: ignore[no-untyped-def]
            ...

        self.assertIsNone(model_of(bare, 1))
        plain: list[Any] = [dict, dict[str, Any], Any, Mapping[str, Any], "Data", object, list[int]]
        for annotation in plain:
            self.assertIsNone(model_of(asking(annotation), 1), annotation)
        self.assertIsNone(model_of(item_step, 1))
        self.assertIsNone(model_of(lambda self: None, 1))
        self.assertIsNone(model_of(lambda self, *data: None, 1))
        self.assertIsNone(model_of(len, 1))

    def test_a_plain_step_gets_and_gives_the_very_objects(self) -> None:
        data: dict[str, Any] = {"a": 1}
        typed = bind(plain_step)
        self.assertIs(typed.data_in(data), data)
        self.assertIs(typed.item_in(data), data)
        for returned in (data, None, [1], Item(1)):
            self.assertIs(typed.data_out(returned, {}), returned)

    def test_what_a_function_asks_for_is_read_once(self) -> None:
        self.assertIs(bind(order_step), bind(order_step))

    def test_models_are_found_behind_texts_and_wrappers(self) -> None:
        annotations: list[Any] = [Order, "Order", Order | None, "Order | None"]
        annotations += [Annotated[Order, "doc"], NewType("Mine", Order)]
        for annotation in annotations:
            self.assertEqual(bind(asking(annotation)).data_in({"id": "1"}), Order("1"))
        self.assertIsNotNone(model_of(item_step, 2))

    def test_an_item_may_be_none_if_it_says_so(self) -> None:
        def each(self: Any, data: Any, item: Item | None) -> None: ...

        self.assertIsNone(bind(each).item_in(None))
        self.assertEqual(bind(each).item_in({"price": 1}), Item(1))

    def test_a_name_for_type_checkers_only_asks_for_nothing(self) -> None:
        def step(self: Any, data: QuestionSpec) -> None: ...

        self.assertIsNone(model_of(step, 1))

    def test_local_classes_are_found(self) -> None:
        @dataclass
        class Local:
            n: int
            more: list[Local] = field(default_factory=list)

        def step(self: Any, data: Local) -> Local:
            return Local(1)

        loaded = bind(step).data_in({"n": 1, "more": [{"n": 2}]})
        self.assertEqual(loaded, Local(1, [Local(2)]))

    def test_a_model_in_the_class_of_the_step_is_found(self) -> None:
        self.assertEqual(bind(Shipping.ship).data_in({"weight": 2}), Shipping.Parcel(2))

    def test_a_model_whose_own_fields_can_not_be_read_is_a_fault(self) -> None:
        with self.assertRaisesRegex(DefinitionError, "Unreadable.*TYPE_CHECKING"):
            bind(asking(Unreadable)).data_in({"question": 1})

    def test_async_steps_are_read_alike(self) -> None:
        async def step(self: Any, data: Order) -> Order:
            return data

        self.assertEqual(bind(step).data_in({"id": "1"}), Order("1"))
        self.assertEqual(bind(step).data_out(Order("2"), {"x": 1})["id"], "2")


class Shipping:
    @dataclass
    class Parcel:
        weight: int

    def ship(self, data: Parcel) -> None: ...


@dataclass
class Unreadable:
    question: QuestionSpec


class DataclassTests(SimpleTestCase):
    """Data as dataclasses, checked field by field."""

    def refused(self, step: Any, data: dict[str, Any], *parts: str) -> None:
        with self.assertRaises(InvalidStepInput) as caught:
            bind(step).data_in(data)
        for part in parts:
            self.assertIn(part, str(caught.exception))

    def test_nested_objects_are_built_and_defaults_used(self) -> None:
        data = {"id": "1", "items": [{"price": 2}, {"price": 1.5, "name": "x"}], "color": "red"}
        order = bind(order_step).data_in({**data, "unknown": 1})
        self.assertEqual(order, Order("1", [Item(2), Item(1.5, "x")], Color.RED))
        self.assertIs(order.color, Color.RED)

    def test_what_does_not_fit_is_named_by_step_parameter_and_place(self) -> None:
        self.refused(order_step, {}, "'order_step'", "'order'", 'order["id"] is missing')
        self.refused(order_step, {"id": 1}, 'order["id"] is int, not str')
        data = {"id": "1", "items": [{"price": 1}, {"price": "2"}]}
        self.refused(order_step, data, 'order["items"][1]["price"] is str, not float')
        self.refused(order_step, {"id": "1", "items": {}}, 'order["items"] is dict, not list')
        self.refused(order_step, {"id": "1", "items": [5]}, 'order["items"][0] is int, not a dict')
        self.refused(
            order_step, {"id": "1", "color": "blue"}, "order[\"color\"] is 'blue'", "'red'"
        )
        with self.assertRaisesRegex(InvalidStepInput, r"'item'.*item\[\"price\"\] is missing"):
            bind(item_step).item_in({})
        with self.assertRaisesRegex(InvalidStepInput, "item is int, not a dict"):
            bind(item_step).item_in(5)

    def test_values_fit_by_their_type(self) -> None:
        now, today, key = datetime(2025, 1, 1, tzinfo=UTC), date(2025, 1, 1), uuid.uuid4()
        fitting: list[tuple[Any, Any]] = [
            (int, 1), (float, 1), (float, 1.5), (bool, True), (str, "x"), (Decimal, Decimal(1)),
            (datetime, now), (date, today), (uuid.UUID, key), (bytes, b"x"), (Any, object),
            (None, None), (int | None, None), (int | str, "x"), (OrderId, "x"), (object, 5),
            (Literal["a", 1], 1), (list[int], [1, 2]), (Sequence[int], (1, 2)), (tuple, (1,)),
            (tuple[int, ...], (1, 2, 3)), (tuple[int, str], (1, "a")), (set[str], {"a"}),
            (frozenset[int], frozenset({1})), (dict[str, int], {"a": 1}), (dict, {"a": "b"}),
            (Mapping[str, Any], {"a": 1}), (list[dict[str, list[int]]], [{"a": [1]}]),
            (Address, {"street": "x", "extra": 1}), (Address | None, None),
        ]  # fmt: skip
        for annotation, value in fitting:
            with self.subTest(annotation=annotation):
                self.assertIs(load(annotation, value), value)

    def test_values_of_another_type_do_not_fit(self) -> None:
        now = datetime(2025, 1, 1, tzinfo=UTC)
        wrong: list[tuple[Any, Any]] = [
            (int, True), (int, 1.0), (int, "1"), (float, True), (float, "1"), (bool, 1), (str, 1),
            (str, None), (Decimal, 1.5), (datetime, "2025-01-01"), (date, now), (None, 0),
            (int | None, "x"), (int | str, 1.5), (Literal["a", 1], True), (Literal["a"], "b"),
            (list[int], [1, "2"]), (list, (1,)), (tuple[int, ...], (1, "a")), (set[int], {"a"}),
            (tuple[int, str], (1,)), (tuple[int, str], (1, 2)), (dict[str, int], {"a": "b"}),
            (Sequence[int], ["a"]), (Address, {}), (Address, {"street": 1}), (Level, 3),
            (Level, True), (Color, "blue"), (datetime, date(2025, 1, 1)), (Point, (1,)),
        ]  # fmt: skip
        for annotation, value in wrong:
            with self.assertRaises(InvalidStepInput, msg=f"{annotation} {value}"):
                load(annotation, value)

    def test_the_first_type_of_several_that_fits_is_taken(self) -> None:
        self.assertEqual(load(Item | Order, {"id": "1"}), Order("1"))
        with self.assertRaisesRegex(InvalidStepInput, "Item, Order"):
            load(Item | Order, {"x": 1})

    def test_enum_members_are_built_and_stored_as_values(self) -> None:
        self.assertIs(load(Level, 2), Level.HIGH)
        self.assertIs(load(Literal[Level.LOW], 1), Level.LOW)
        self.assertEqual(load(dict[str, Level], {"a": 1}), {"a": Level.LOW})
        self.assertEqual(load(tuple[Level, int], (1, 2)), (Level.LOW, 2))
        self.assertEqual(load(frozenset[Level], frozenset({1})), frozenset({Level.LOW}))

    def test_what_its_own_code_refuses_is_invalid_input(self) -> None:
        @dataclass
        class Positive:
            n: int

            def __post_init__(self) -> None:
                if self.n < 0:
                    raise ValueError("n must not be negative")

        self.refused(asking(Positive), {"n": -1}, "Positive: n must not be negative")

    def test_what_storage_made_plain_becomes_what_it_was(self) -> None:
        stored = codec.loads(codec.dumps({"field": Decision("approved")}))
        self.assertIs(type(load(Decision, stored["field"])), Decision)
        self.assertEqual(load(Point, (1, 2)), Point(1, 2))
        self.assertIs(type(load(Point, (1, 2))), Point)

    def test_a_returned_object_is_laid_over_the_data(self) -> None:
        data = {"id": "1", "items": [{"price": 1}], "note": "kept", "color": None}
        order = bind(order_step).data_in(data)
        order.items.append(Item(2))
        result = bind(order_step).data_out(dataclasses.replace(order, color=Color.RED), data)
        items = [{"price": 1, "name": "thing"}, {"price": 2, "name": "thing"}]
        self.assertEqual(result, {"id": "1", "items": items, "note": "kept", "color": "red"})
        self.assertEqual(codec.loads(codec.dumps(result)), result)

    def test_keys_that_a_nested_type_does_not_know_stay_too(self) -> None:
        @dataclass
        class Holder:
            item: Item

        def step(self: Any, data: Holder) -> Holder:
            return Holder(Item(1))

        data = {"item": {"price": 1, "colour": "red"}}
        loaded = bind(step).data_in(data)
        loaded.item.price = 5
        expected = {"item": {"price": 5, "name": "thing", "colour": "red"}}
        self.assertEqual(bind(step).data_out(loaded, data), expected)

    def test_a_returned_dict_replaces_the_data_and_other_values_pass(self) -> None:
        typed = bind(order_step)
        self.assertEqual(typed.data_out({"x": 1}, {"id": "1"}), {"x": 1})
        self.assertEqual(typed.data_out({"x": Item(1)}, {})["x"], {"price": 1, "name": "thing"})
        for returned in (None, [1], "text", Item(1)):
            self.assertIs(typed.data_out(returned, {"id": "1"}), returned)

    def test_a_returned_object_of_the_return_type_is_laid_over_too(self) -> None:
        def step(self: Any, data: Order) -> Item:
            return Item(5)

        result = bind(step).data_out(Item(5), {"id": "1"})
        self.assertEqual(result, {"id": "1", "price": 5, "name": "thing"})

    def test_none_passes_on_what_was_changed_in_place(self) -> None:
        typed = bind(order_step)
        data = {"id": "1", "note": "kept"}
        order = typed.data_in(data)
        self.assertEqual(typed.data_out(None, data, order)["note"], "kept")
        order.id = "2"
        order.items.append(Item(1))
        result = typed.data_out(None, data, order)
        self.assertEqual((result["id"], result["note"]), ("2", "kept"))
        self.assertEqual(result["items"], [{"price": 1, "name": "thing"}])
        self.assertIsNone(typed.data_out(None, data))

    def test_none_without_a_change_leaves_values_as_they_were(self) -> None:
        data = {"invoiceNumber": "12", "payment": {"amount": "1.50"}}
        typed = bind(invoice_step)
        result = typed.data_out(None, data, typed.data_in(data))
        self.assertEqual(result["payment"], {"amount": "1.50"})

    def test_increments_survive_the_type(self) -> None:
        @dataclass
        class Tally:
            n: int
            seen: list[str]

        def step(self: Any, data: Tally) -> Tally:
            return data

        data = append(increment({"n": 1, "seen": ["a"]}, "n"), "seen", "b")
        result = bind(step).data_out(bind(step).data_in(data), data)
        self.assertEqual((result["n"].delta, result["seen"].appended), (1, 1))

    trees = st.recursive(
        st.builds(Tree, NAMES),
        lambda inner: st.builds(Tree, NAMES, st.lists(inner, max_size=3)),
        max_leaves=8,
    )

    @given(trees)
    def test_objects_come_back_the_same(self, tree: Tree) -> None:
        typed = bind(asking(Tree))
        data = typed.data_out(tree, {})
        self.assertEqual(typed.data_in(codec.loads(codec.dumps(data))), tree)


class TypedDictTests(SimpleTestCase):
    """Data that stays a dict, with the keys that are asked for."""

    def test_the_whole_dict_is_given_once_it_fits(self) -> None:
        data = {"name": "Kim", "address": {"street": "x"}, "extra": 1}
        self.assertIs(bind(customer_step).data_in(data), data)

    def test_required_keys_must_be_there_and_others_need_not(self) -> None:
        typed = bind(customer_step)
        typed.data_in({"name": "Kim"})
        wrong: list[tuple[dict[str, Any], str]] = [
            ({}, r"data\[\"name\"\] is missing"),
            ({"name": 5}, r"data\[\"name\"\] is int"),
            ({"name": "Kim", "address": {}}, r"data\[\"address\"\]\[\"street\"\] is missing"),
            ({"name": "Kim", "address": {"street": "x", "city": 5}}, r"\[\"city\"\] is int"),
        ]
        for data, message in wrong:
            with self.assertRaisesRegex(InvalidStepInput, message):
                typed.data_in(data)

    def test_a_dict_returned_as_that_type_is_laid_over_the_data(self) -> None:
        result = bind(customer_step).data_out({"name": "Lee"}, {"name": "Kim", "extra": 1})
        self.assertEqual(result, {"name": "Lee", "extra": 1})

    def test_a_dict_returned_as_anything_else_replaces_the_data(self) -> None:
        def step(self: Any, data: Customer) -> dict[str, Any]:
            return {}

        self.assertEqual(bind(step).data_out({"name": "Lee"}, {"extra": 1}), {"name": "Lee"})

    def test_objects_within_become_storable_again(self) -> None:
        class Basket(TypedDict):
            item: Item

        def step(self: Any, data: Basket) -> None: ...

        data = {"item": {"price": 1}}
        received = bind(asking(Basket)).data_in(data)
        self.assertEqual(received["item"], Item(1))
        received["more"] = 1
        result = bind(asking(Basket)).data_out(None, data, received)
        self.assertEqual(result, {"item": {"price": 1, "name": "thing"}, "more": 1})


class PydanticTests(SimpleTestCase):
    """Data as Pydantic models, under their own rules."""

    def test_the_model_validates_and_converts(self) -> None:
        data = {"invoiceNumber": "12", "payment": {"amount": "1.50"}, "extra": 1}
        invoice = bind(invoice_step).data_in(data)
        self.assertEqual(invoice.payment.amount, Decimal("1.50"))

    def test_what_does_not_fit_is_named_by_place(self) -> None:
        data = {"invoiceNumber": "12", "payment": {"amount": "much"}}
        with self.assertRaisesRegex(
            InvalidStepInput, r"data\[\"payment\"\]\[\"amount\"\].*decimal"
        ):
            bind(invoice_step).data_in(data)
        with self.assertRaisesRegex(InvalidStepInput, "and 1 more"):
            bind(invoice_step).data_in({})

    def test_a_returned_model_is_laid_over_the_data_under_its_own_names(self) -> None:
        data = {"invoiceNumber": "12", "payment": {"amount": "1.50", "by": "kim"}, "extra": 1}
        invoice = bind(invoice_step).data_in(data)
        invoice.level = Level.HIGH
        result = bind(invoice_step).data_out(invoice, data)
        payment = {"amount": Decimal("1.50"), "currency": "EUR", "paid_at": None, "by": "kim"}
        expected = {"invoiceNumber": "12", "payment": payment, "level": 2, "extra": 1}
        self.assertEqual(result, expected)
        again = bind(invoice_step).data_in(codec.loads(codec.dumps(result)))
        self.assertEqual(again, invoice)

    def test_models_and_dataclasses_nest(self) -> None:
        @dataclass
        class Sale:
            payment: Payment

        data = {"payment": {"amount": 5}}
        sale = bind(asking(Sale)).data_in(data)
        self.assertEqual(sale.payment, Payment(amount=Decimal(5)))
        result = bind(asking(Sale)).data_out(sale, data)
        self.assertEqual(result["payment"]["currency"], "EUR")

    def test_pydantic_dataclasses_are_dataclasses(self) -> None:
        @pydantic.dataclasses.dataclass
        class Small:
            n: int = pydantic.Field(lt=10)

        self.assertEqual(bind(asking(Small)).data_in({"n": 5}).n, 5)
        with self.assertRaisesRegex(InvalidStepInput, "less than 10"):
            bind(asking(Small)).data_in({"n": 50})

    def test_pydantic_is_never_imported_for_anybody_else(self) -> None:
        import durable.authoring.self.typed as module

        self.assertFalse(any(name.startswith("pydantic") for name in vars(module)))
