"""What a run makes of nodes that have no state of their own, and of edges."""

from __future__ import annotations

from durable.drawing import NodeState, Overlay, Progress


def statuses(overlay: Overlay, *paths: str) -> list[str]:
    return [overlay.state(path).status for path in paths]


def test_start_and_end_follow_from_the_run() -> None:
    ends = ("#start", "#end")
    assert statuses(Overlay(begun=False), *ends) == ["pending", "pending"]
    assert statuses(Overlay(), *ends) == ["done", "pending"]
    assert statuses(Overlay(over=True), *ends) == ["done", "skipped"]
    assert statuses(Overlay(over=True, completed=True), *ends) == ["done", "done"]


def test_a_join_is_done_with_its_block() -> None:
    for block, join in (
        ("pending", "pending"),
        ("running", "pending"),
        ("failed", "pending"),
        ("done", "done"),
        ("skipped", "skipped"),
    ):
        states = {"parallel": NodeState(block)}  # type: ignore[arg-type]
        assert statuses(Overlay(states), "parallel#join") == [join]
    failed = Overlay({"parallel": NodeState("failed")}, over=True)
    assert statuses(failed, "parallel#join") == ["skipped"]


def test_an_edge_is_taken_from_what_was_left_to_what_was_reached() -> None:
    overlay = Overlay(
        {
            "done": NodeState("done"),
            "undone": NodeState("compensated"),
            "failed": NodeState("failed"),
            "some": NodeState("failed", progress=Progress(3, 5, 2)),
            "again": NodeState("running", rounds=2),
            "running": NodeState("running"),
            "skipped": NodeState("skipped"),
        }
    )
    left = [path for path in overlay.states if overlay.taken(path, "running", "")]
    assert left == ["done", "undone", "some", "again"]
    reached = [path for path in overlay.states if overlay.taken("done", path, "")]
    assert reached == ["done", "undone", "failed", "some", "again", "running"]
    assert not overlay.taken("done", "unknown", "")


def test_an_edge_into_a_body_is_taken_if_the_body_was_entered() -> None:
    overlay = Overlay({"x": NodeState("done")}, frozenset({"x/a"}))
    assert overlay.taken("x", "x/a/one", "x/a")
    assert not overlay.taken("x", "x/b/one", "x/b")


def test_progress_is_said_with_its_failures() -> None:
    assert str(Progress(37, 100)) == "37/100"
    assert str(Progress(37, 100, 2)) == "37/100, 2 failed"
