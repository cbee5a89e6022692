"""Ids are made in order and once, in whatever thread or process."""

from __future__ import annotations

import os
import threading
from uuid import UUID

from django.test import SimpleTestCase

from durable.models.fields import uuid7

RANDOM = (1 << 62) - 1  # the random bits of an id


class IdTests(SimpleTestCase):
    def test_ids_of_one_process_ascend(self) -> None:
        ids = [uuid7() for _ in range(5000)]
        self.assertEqual(ids, sorted(ids))
        self.assertEqual({(one.version, one.variant) for one in ids}, {(7, ids[0].variant)})
        self.assertEqual(len({one.int & RANDOM for one in ids}), len(ids))

    def test_a_forked_process_makes_ids_of_its_own(self) -> None:
        uuid7()  # the parent has random bytes left
        ours, theirs = os.pipe()
        pid = os.fork()
        if not pid:
            os.write(theirs, b"".join(uuid7().bytes for _ in range(20)))
            os._exit(0)
        os.waitpid(pid, 0)
        sent = os.read(ours, 16 * 20)
        os.close(ours)
        os.close(theirs)
        forked = {UUID(bytes=sent[at : at + 16]).int & RANDOM for at in range(0, len(sent), 16)}
        self.assertEqual(len(forked), 20)
        self.assertFalse(forked & {uuid7().int & RANDOM for _ in range(20)})

    def test_a_fork_while_another_thread_makes_an_id_waits_for_nobody(self) -> None:
        from durable.models import fields

        held, over = threading.Event(), threading.Event()

        def hold() -> None:
            with fields._lock:
                held.set()
                over.wait(30)

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(30)
        pid = os.fork()
        if not pid:
            uuid7()
            os._exit(0)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        over.set()
        thread.join()
