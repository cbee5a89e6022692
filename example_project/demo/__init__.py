"""``make demo``: the shop's eight workflows, real workers, and three of them killed on the way.

* ``play``: what happens, in order
* ``stories``: each workflow's part in it, and what must have come of it
* ``verdict``: the tables and the promises at the end
* ``place``, ``worker``, ``screen``: where it runs, what runs it, what is shown
"""
