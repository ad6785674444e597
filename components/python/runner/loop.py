"""asyncio without sockets or threads: an event loop that sleeps in the host's `http.wait`.

Timers, tasks, gather, timeouts and cancellation are asyncio's own; only the place where the loop
blocks is ours. It wakes for requests that have ended and for the next timer.
"""

import asyncio
import math
from asyncio import base_events, events

from . import host


class Deadlock(RuntimeError):
    """Every task waits for something that can no longer happen."""

    def __init__(self, message="deadlock: nothing left to wait for"):
        super().__init__(message)
        # (file, line, function) of the frames that wait, outermost first; set by `run`.
        self.waiting_at = []


class HostSelector:
    """What `BaseEventLoop` calls to block."""

    def __init__(self):
        self.waiting = {}

    def select(self, timeout):
        if timeout is None:
            if not self.waiting:
                raise Deadlock
            milliseconds = None
        elif timeout <= 0:
            if not self.waiting:
                return ()
            milliseconds = 0
        else:
            milliseconds = math.ceil(timeout * 1000)
        ended = host.wait(list(self.waiting), milliseconds)
        return [self.waiting.pop(request) for request in ended if request in self.waiting]

    def close(self):
        self.waiting.clear()


class HostLoop(base_events.BaseEventLoop):
    def __init__(self):
        super().__init__()
        self._selector = HostSelector()

    def _process_events(self, futures):
        for future in futures:
            if not future.done():
                future.set_result(None)

    def _write_to_self(self):
        """Nothing to wake: there is only this thread."""

    def idle(self):
        """Whether no task, timer, request or async generator is left."""
        return not (self._ready or self._scheduled or self._selector.waiting or self._asyncgens or asyncio.all_tasks(self))

    def close(self):
        super().close()
        self._selector.close()

    async def ended(self, request):
        """Waits until a request has ended. Being cancelled stops the request."""
        future = self.create_future()
        self._selector.waiting[request] = future
        try:
            await future
        except BaseException:
            self._selector.waiting.pop(request, None)
            host.cancel(request)
            raise

    def run_in_executor(self, executor, func, *args):
        """There are no threads, so the function runs here and now, whatever the executor."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except (SystemExit, KeyboardInterrupt):
            raise
        except StopIteration as error:
            wrapped = RuntimeError("the function raised StopIteration")
            wrapped.__cause__ = error
            future.set_exception(wrapped)
        except BaseException as error:
            future.set_exception(error)
        return future

    async def _make_subprocess_transport(self, *args, **kwargs):
        raise NotImplementedError("a tool cannot start processes")


class HostPolicy(events._BaseDefaultEventLoopPolicy):
    """Makes `asyncio.run` and `asyncio.new_event_loop` inside a tool give a `HostLoop`."""

    _loop_factory = HostLoop


def install():
    events._set_event_loop_policy(HostPolicy())
    asyncio.EventLoop = asyncio.SelectorEventLoop = HostLoop


def run(awaitable, loop):
    """Runs to the end; then cancels the tasks that are left and closes async generators.

    The first step runs at once, within the loop but without a turn of it: a `main` that never has to
    wait is done then, and costs half.
    """
    main = None
    try:
        loop._run_forever_setup()
        try:
            main = asyncio.Task(_coroutine(awaitable), loop=loop, eager_start=True)
        finally:
            loop._run_forever_cleanup()
        return main.result() if main.done() else loop.run_until_complete(main)
    except Deadlock as error:
        if not error.waiting_at and not main.done():
            error.waiting_at = waiting_frames(main)
        raise
    finally:
        if not loop.idle() or (main is not None and not main.done()):
            _finish(loop)


def _coroutine(awaitable):
    return awaitable if asyncio.iscoroutine(awaitable) else _wait_for(awaitable)


async def _wait_for(awaitable):
    return await awaitable


def waiting_frames(task):
    """(file, line, function) from a task's outermost coroutine to where it waits."""
    frames = []
    waits = task.get_coro()
    while waits is not None:
        frame = getattr(waits, "cr_frame", None) or getattr(waits, "gi_frame", None)
        if frame is not None:
            frames.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        waits = getattr(waits, "cr_await", None) or getattr(waits, "gi_yieldfrom", None)
    return frames


def _finish(loop):
    try:
        loop.run_until_complete(asyncio.sleep(0))  # What was started in main's last step takes its first.
        left = [task for task in asyncio.all_tasks(loop) if not task.done()]
        if left:
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        if loop._asyncgens:
            loop.run_until_complete(loop.shutdown_asyncgens())
    except Deadlock:
        pass  # A task that refuses to be cancelled; the call is over anyway.
    finally:
        loop.close()
