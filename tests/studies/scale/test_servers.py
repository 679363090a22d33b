from __future__ import annotations

from studies.scale.servers import Clock, Server


def test_things_happen_in_the_order_of_their_times_and_then_of_their_calls() -> None:
    clock, seen = Clock(), list[tuple[str, float]]()

    def note(what: str) -> None:
        seen.append((what, clock.now))

    def first() -> None:
        note("first")
        clock.at(1.0, lambda: note("third"))

    clock.at(2.0, lambda: note("late"))
    clock.at(1.0, first)
    clock.at(1.0, lambda: note("second"))
    clock.run()
    assert seen == [("first", 1.0), ("second", 1.0), ("third", 1.0), ("late", 2.0)]


def test_a_server_does_one_thing_after_another() -> None:
    clock, done = Clock(), list[float]()
    server = Server(clock)

    def at(time: float, seconds: float) -> None:
        clock.at(time, lambda: server.do(seconds, lambda: done.append(clock.now)))

    # The second has to wait for the first, which ends at 4; the third finds it free.
    for time, seconds in ((1.0, 3.0), (2.0, 0.5), (10.0, 1.0)):
        at(time, seconds)
    clock.run()
    assert (done, server.busy) == ([4.0, 4.5, 11.0], 4.5)
