"""How an execution moves. The engine is the only writer of executions; one verb a file.

The protocol of a run:

1. ``start`` inserts the row, in the caller's transaction: ``pending``, with ``ready_at`` set.
2. ``claim`` takes a batch of ready rows: status ``running``, the fence raised by one, held by
   the worker. From here on every write of the worker carries the fence in its WHERE; no row
   updated means that the claim is lost, and everything is dropped (``ClaimLost``).
3. ``runner`` takes the claim from step to step. ``attempt`` runs the body with the data as read
   from storage; an atomic body runs in a transaction that begins with its first statement.
4. ``checkpoint`` writes result, next position and the attempt's record in one transaction,
   together with the body's own writes if it made any; if not, many checkpoints of one process
   share a commit. The last step's checkpoint also finishes the execution.
5. ``suspend`` parks an execution: its wait, its status, the release of the claim in one
   transaction that locks the root of the tree and looks into the inbox once more.
6. ``deliver`` is due work: it brings events to waits under the lock of the root, and wakes
   executions whose question was answered. Senders only insert.
7. ``fail`` records a failed attempt: another one is a due time in the database; after the last,
   the execution fails. ``finish`` ends it: final status, open waits closed, in one transaction.

8. A branch, an item and an awaited child are executions with a parent. ``fan_out`` makes those of
   a block and parks the parent; ``turns`` hand items on; an end that the parent must know of is
   marked in the transaction that makes it, and ``report`` tells it, as due work; ``join`` closes
   the block. A failure goes up: to a ``catch``, to the parent's block, or to the end.
9. ``rollback`` undoes completed steps, newest first, of all that is below, each a checkpointed
   step like any other. The execution stands at ``~`` meanwhile.

Lock order: mailbox; root of the tree; parent before child; then waits and events.
"""
