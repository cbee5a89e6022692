"""Flows to be drawn: the seed's eight workflows, one with everything in it, random ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from random import Random
from typing import Any

from hypothesis import strategies as st

from durable.authoring import (
    Workflow,
    WorkflowMeta,
    branch,
    call_workflow,
    catch,
    chain,
    foreach,
    parallel,
    repeat,
    sleep,
    step,
    wait_for_approval,
    wait_for_event,
    when,
)
from durable.authoring.nodes.steps import Step
from durable.authoring.nodes.tree import Tree
from durable.authoring.parse import registry

AnyStep = Step[..., Any]


def a_step(name: str, **options: Any) -> AnyStep:
    """A step of this name that does nothing."""
    return step(name=name, **options)(_fresh())


def undoable(name: str, **options: Any) -> AnyStep:
    """A step of this name that can be undone."""
    made = a_step(name, **options)
    made.compensate(_fresh())
    return made


def _fresh() -> Callable[..., Any]:
    def body(self: Any, data: Any, *item: Any) -> Any:
        return None

    return body


def workflow(name: str, flow: Callable[..., Any] | None, *steps: AnyStep) -> type[Workflow]:
    """A workflow of these steps; ``flow`` makes its flow of them."""
    meta = type("Meta", (WorkflowMeta,), {"name": name})
    members: dict[str, Any] = {f"step_{at}": one for at, one in enumerate(steps)}
    if flow is not None:
        members["flow"] = flow(*steps)
    made: Any = type("Drawn", (Workflow,), {"Meta": meta, "__qualname__": name, **members})
    return made  # type: ignore[no-any-return]


SEED = (
    "process_order",
    "expense_approval",
    "build_dashboard",
    "send_campaign",
    "book_trip",
    "daily_sales_report",
    "trial_reminder",
    "payment_flow",
)


def seed() -> dict[str, type[Workflow]]:
    """The eight workflows of the seed's README. Call it where workflows are isolated."""
    once = a_step
    found = [
        workflow(
            "process_order",
            None,
            once("validate"),
            once("calculate_total"),
            once("charge_payment", retry=3),
            once("send_confirmation"),
        ),
        workflow(
            "expense_approval",
            lambda ask, reimburse, reject: chain(
                ask, branch("decision", {"approved": reimburse}, default=reject)
            ),
            once("request_approval"),
            once("reimburse"),
            once("notify_rejection"),
        ),
        workflow(
            "build_dashboard",
            lambda init, user, orders, notes, render: chain(
                init, parallel(user, orders, notes), render
            ),
            once("init"),
            once("user"),
            once("orders"),
            once("notifications"),
            once("render"),
        ),
        workflow(
            "send_campaign",
            lambda load, send: chain(
                load,
                foreach(
                    "recipients", send, concurrency=10, on_error="continue", name="send_emails"
                ),
            ),
            once("load"),
            once("send"),
        ),
        workflow(
            "book_trip", None, undoable("book_flight"), undoable("book_hotel"), once("charge")
        ),
        workflow("daily_sales_report", None, once("generate"), once("distribute")),
        workflow(
            "trial_reminder",
            None,
            once("welcome"),
            once("wait_3_days"),
            once("check_in"),
            once("wait_until_trial_ends"),
            once("convert_or_remind"),
        ),
        workflow(
            "payment_flow",
            lambda invoice, wait, fulfill, cancel: chain(
                invoice, wait, branch("result", {"payment.success": fulfill}, default=cancel)
            ),
            once("create_invoice"),
            once("await_payment"),
            once("fulfill"),
            once("cancel"),
        ),
    ]
    return {cls.definition.name: cls for cls in found}


def everything() -> type[Workflow]:
    """About forty nodes, all kinds of blocks in one another."""
    names = (
        "receive", "validate", "reserve_stock", "charge_card", "ask_for_other_card", "refund",
        "fetch_customer", "fetch_orders", "score_risk", "block_account", "pick", "weigh", "pack",
        "print_label", "measure_parcel", "choose_carrier", "book_express", "book_standard",
        "poll_carrier", "remind_carrier", "notify_customer", "write_invoice", "archive",
        "translate", "render_pdf", "send_mail", "send_letter", "tell_support",
        "close_with_a_very_long_name_that_nobody_can_read_in_one_line",
    )  # fmt: skip
    s = {name: a_step(name) for name in names}
    for name in ("reserve_stock", "charge_card", "book_express"):
        s[name] = undoable(name, retry=5)

    def flow(*_: AnyStep) -> Any:
        return chain(
            s["receive"],
            s["validate"],
            parallel(
                customer=chain(s["fetch_customer"], s["fetch_orders"]),
                risk=chain(
                    s["score_risk"],
                    branch(
                        "risk", {"high": chain(wait_for_approval("fraud team"), s["block_account"])}
                    ),
                ),
                name="look_up",
            ),
            catch(
                chain(s["reserve_stock"], s["charge_card"]),
                {"card_declined": s["ask_for_other_card"], TimeoutError: s["refund"]},
                name="payment",
            ),
            foreach(
                "parcels",
                chain(
                    s["pick"],
                    parallel(s["weigh"], s["measure_parcel"], name="sizes"),
                    s["pack"],
                    branch(
                        "speed",
                        {"express": s["book_express"], ("standard", "slow"): s["book_standard"]},
                        default=chain(s["choose_carrier"], wait_for_event("carrier.answer")),
                        name="carrier",
                    ),
                    s["print_label"],
                ),
                concurrency=5,
                on_error="continue",
                name="parcels",
            ),
            repeat(
                chain(
                    s["poll_carrier"],
                    sleep(timedelta(hours=1)),
                    branch("late", {True: s["remind_carrier"]}),
                ),
                until="delivered",
                max_iterations=48,
                name="until_delivered",
            ),
            parallel(
                mail=chain(s["notify_customer"], s["send_mail"]),
                paper=chain(
                    foreach("languages", chain(s["translate"], s["render_pdf"]), name="languages"),
                    s["send_letter"],
                ),
                support=catch(s["tell_support"], {"unreachable": s["archive"]}, name="tell"),
                name="tell_everybody",
            ),
            s["write_invoice"],
            call_workflow("settle_accounts"),
            s["close_with_a_very_long_name_that_nobody_can_read_in_one_line"],
        )

    return workflow("fulfil_order", flow, *s.values())


def of(part: Callable[[AnyStep], Any]) -> Tree:
    """The tree of a flow that is made of one step."""
    with registry.isolate():
        one = a_step("one")
        return workflow("drawn", lambda it: chain(part(it)), one).definition.tree


# -- random flows --------------------------------------------------------------------------------

NAMES = st.text(
    st.characters(exclude_characters="/", exclude_categories=("Cs",)), min_size=1, max_size=40
).filter(lambda name: name.strip())
PLAIN_NAMES = st.sampled_from(
    ("pay", "send_mail", "ask_the_manager", "wait_until_trial_ends", "notify_all_the_customers")
)


@st.composite
def trees(draw: st.DrawFn, names: st.SearchStrategy[str] = PLAIN_NAMES, size: int = 10) -> Tree:
    """The tree of a small random flow."""
    standing = st.one_of(
        st.builds(lambda: sleep(timedelta(1))),
        names.map(wait_for_event),
        names.map(wait_for_approval),
        names.map(lambda name: call_workflow("other", ref=name)),
    )

    def blocks(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        several = st.lists(inner, min_size=1, max_size=4)
        return st.one_of(
            several.map(lambda parts: ("chain", parts)),
            st.tuples(several, st.none() | inner).map(lambda parts: ("branch", *parts)),
            several.map(lambda parts: ("parallel", parts)),
            inner.map(lambda part: ("foreach", part)),
            inner.map(lambda part: ("repeat", part)),
            st.tuples(inner, several).map(lambda parts: ("catch", *parts)),
        )

    return planned(draw(st.recursive(st.one_of(names, standing), blocks, max_leaves=size)))


def large_tree(random: Random, size: int) -> Tree:
    """The tree of a random flow with ``size`` steps."""
    return planned(large_plan(random, size))


def large_plan(random: Random, size: int) -> Any:
    """A random flow with ``size`` steps, written down."""

    def plan(size: int) -> Any:
        if size <= 1:
            return random.choice(("pay", "send_mail", "wait_until_trial_ends"))
        kind = random.choice(("chain", "chain", "branch", "parallel", "foreach", "repeat", "catch"))
        if kind in ("foreach", "repeat"):
            return kind, plan(size)
        count = random.randint(2, min(size, 5))
        cuts = sorted(random.sample(range(1, size), count - 1))
        first, *rest = (plan(end - start) for start, end in pairwise((0, *cuts, size)))
        match kind:
            case "branch":
                return kind, [first, *rest], None
            case "catch":
                return kind, first, rest
        return kind, [first, *rest]

    return plan(size)


def planned(plan: Any) -> Tree:
    """The tree of a flow that is written down as tuples and names."""
    with registry.isolate():
        return planned_workflow(plan).definition.tree


def planned_workflow(plan: Any) -> type[Workflow]:
    """The workflow of such a flow. Call it where workflows are isolated."""
    steps: list[AnyStep] = []

    def build(plan: Any) -> Any:
        match plan:
            case str():
                steps.append(a_step(f"s{len(steps)}", verbose_name=plan))
                return steps[-1]
            case ("chain", parts):
                return chain(*map(build, parts))
            case ("branch", cases, default):
                pairs = [(when(lambda value: True), build(case)) for case in cases]
                return branch("x", pairs, default=None if default is None else build(default))
            case ("parallel", parts):
                return parallel(**{f"b{at}": build(part) for at, part in enumerate(parts)})
            case ("foreach", part):
                return foreach("items", build(part))
            case ("repeat", part):
                return repeat(build(part), until="done")
            case ("catch", part, handlers):
                errors = {f"error_{at}": build(one) for at, one in enumerate(handlers)}
                return catch(build(part), errors)
        return plan

    flow = chain(build(plan))
    return workflow("random", lambda *_: flow, *steps)
