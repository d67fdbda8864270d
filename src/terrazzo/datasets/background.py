"""Work that may wait or be left out, done by one thread beside the reading of samples."""

import os
import queue
import threading
from collections.abc import Callable
from multiprocessing.util import Finalize
from typing import Any

ROOM = 8
"""Jobs that may wait at once; each holds a sample."""


class Background:
    """A thread that does one kind of job; a job that comes when all room is taken is refused.

    Each process has a thread of its own, begun with its first job: threads do not follow a fork.
    """

    def __init__(self, work: Callable[..., None]) -> None:
        """Take what does a job, given its arguments. It must not raise."""
        self._work = work
        self._process = -1
        self._jobs: queue.Queue[tuple[Any, ...]] = queue.Queue()

    def has_room(self) -> bool:
        """Say whether a job would be taken now."""
        return self._process != os.getpid() or not self._jobs.full()

    def offer(self, *job: Any) -> bool:
        """Hand a job over, and say whether it was taken."""
        if self._process != os.getpid():
            self._begin()
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            return False
        return True

    def flush(self) -> None:
        """Wait until every job that was taken is done."""
        if self._process == os.getpid():
            self._jobs.join()

    def _begin(self) -> None:
        self._process, self._jobs = os.getpid(), queue.Queue(ROOM)
        threading.Thread(target=self._run, args=(self._jobs,), daemon=True).start()
        Finalize(None, self.flush, exitpriority=1)  # of this process, a worker too: leave nothing half done

    def _run(self, jobs: "queue.Queue[tuple[Any, ...]]") -> None:
        while True:
            job = jobs.get()
            try:
                self._work(*job)
            finally:
                del job
                jobs.task_done()
