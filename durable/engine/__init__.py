"""The engine: the protocol by which executions run. Only the engine writes executions.

The protocol of a run:

1. ``start`` inserts the row, in the caller's transaction: ``pending``, with ``ready_at`` set.
2. ``claim`` takes a batch of ready rows: status ``running``, the fence raised by one, held by
   the worker. From here on every write of the worker has the fence in its WHERE; if no row is
   updated, the claim is lost, and the worker drops its work (``ClaimLost``).
3. ``runner`` takes the claim from step to step. ``attempt`` runs the body with the data as read
   from storage; an atomic body runs in a transaction that begins with its first statement.
4. ``checkpoint`` writes result, next position and the attempt's record in one transaction,
   together with the body's own writes if it made any; if not, many checkpoints of one process
   share a commit. The last step's checkpoint also finishes the execution.
5. ``suspend`` parks an execution: it writes the wait and the status, and releases the claim, in
   one transaction that locks the root of the tree and looks into the inbox once more. Many
   ``parks`` of one process share a commit.
6. ``deliver`` is due work: it brings events to waits under the lock of the root, and wakes
   executions with an answered question. Senders only insert.
7. ``fail`` records a failed attempt: a retry is a due time in the database; after the last
   attempt the execution fails. ``finish`` ends it: final status, open waits closed, in one
   transaction.

8. A branch, an item and an awaited child are executions with a parent. ``fan_out`` inserts those
   of a block and parks the parent; ``turns`` passes turns from finished items to waiting ones. An
   end that the parent must know of is marked in its own transaction, and ``report`` tells the
   parent, as due work; ``join`` closes the block. A failure goes up: to a ``catch``, to the
   parent's block, or to the end of the execution.
9. ``rollback`` undoes completed steps, newest first, of the execution and all awaited below it,
   each a checkpointed step like any other. The execution stands at ``~`` meanwhile.

Lock order: mailbox; root of the tree; parent before child; then waits and events.
"""
