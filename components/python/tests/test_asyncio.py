"""asyncio on the host's clock and requests."""

import time
import unittest

from host import GuestError, Host, reply, run, value


class Waiting(unittest.TestCase):
    def test_sleeps_run_side_by_side(self):
        began = time.monotonic()
        source = "import asyncio\nasync def main(): return await asyncio.gather(*(asyncio.sleep(0.1, n) for n in range(5)))"
        self.assertEqual(value(source), [0, 1, 2, 3, 4])
        self.assertLess(time.monotonic() - began, 0.4)
        self.assertGreater(time.monotonic() - began, 0.1)

    def test_timeouts_task_groups_queues_and_locks(self):
        source = """
import asyncio
async def main():
    seen = []
    queue = asyncio.Queue(1)
    lock = asyncio.Lock()
    async def producer():
        for n in range(3):
            await queue.put(n)
    async def consumer():
        for _ in range(3):
            async with lock:
                seen.append(await queue.get())
    async with asyncio.TaskGroup() as group:
        group.create_task(producer())
        group.create_task(consumer())
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(10)
    except TimeoutError:
        seen.append("late")
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.01)
    except asyncio.TimeoutError:
        seen.append("late again")
    return seen
"""
        self.assertEqual(value(source), [0, 1, 2, "late", "late again"])

    def test_a_cancelled_task(self):
        source = """
import asyncio
async def main():
    task = asyncio.create_task(asyncio.sleep(10))
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled"
"""
        self.assertEqual(value(source), "cancelled")

    def test_run_and_runner_inside_a_sync_main(self):
        source = """
import asyncio
async def work(n):
    await asyncio.sleep(0.001)
    return (await http.get("https://example.com")).status + n
def main():
    with asyncio.Runner() as runner:
        second = runner.run(work(2))
    loop = asyncio.new_event_loop()
    third = loop.run_until_complete(work(3))
    loop.close()
    return [asyncio.run(work(1)), second, third]
"""
        self.assertEqual(value(source), [201, 202, 203])

    def test_what_wants_threads_runs_in_place(self):
        source = """
import asyncio, concurrent.futures
def work(n):
    return n * 2
def fail():
    raise KeyError("k")
async def main():
    loop = asyncio.get_running_loop()
    found = [await asyncio.to_thread(work, 1), await loop.run_in_executor(None, work, 2)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        found.append(await loop.run_in_executor(pool, work, 3))
    try:
        await asyncio.to_thread(fail)
    except KeyError:
        found.append("KeyError")
    return found
"""
        self.assertEqual(value(source), [2, 4, 6, "KeyError"])


class Ending(unittest.TestCase):
    def test_a_deadlock_says_where_main_waits(self):
        source = "import asyncio\nasync def inner():\n    await asyncio.get_running_loop().create_future()\nasync def main():\n    await inner()\n"
        with self.assertRaises(GuestError) as caught:
            run(source)
        error = caught.exception
        self.assertEqual((error.kind, error.message, error.line), ("Deadlock", "deadlock: nothing left to wait for", 3))
        self.assertIn('File "<tool>", line 5, in main\n    await inner()\n  File "<tool>", line 3, in inner\n', error.traceback)

    def test_a_deadlock_in_a_group_and_in_asyncio_run(self):
        for source in (
            "import asyncio\nasync def main():\n    await asyncio.gather(asyncio.Event().wait(), asyncio.Event().wait())",
            "import asyncio\nasync def wait():\n    await asyncio.Event().wait()\ndef main():\n    asyncio.run(wait())",
        ):
            with self.assertRaises(GuestError) as caught:
                run(source)
            self.assertEqual(caught.exception.kind, "Deadlock")
            self.assertIsNotNone(caught.exception.line)

    def test_tasks_that_are_left_are_cancelled(self):
        source = """
import asyncio
async def background():
    try:
        await asyncio.sleep(1000)
    finally:
        print("cleaned up")
async def main():
    task = asyncio.create_task(background())
    await asyncio.sleep(0)
    return "done"
"""
        guest = run(source)
        self.assertEqual((guest.result, guest.stdout), ("done", "cleaned up\n"))

    def test_a_task_that_refuses_to_be_cancelled_does_not_hold_the_call(self):
        source = """
import asyncio
async def stubborn():
    while True:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            pass
async def main():
    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    return "done"
"""
        self.assertEqual(value(source), "done")

    def test_async_generators_are_closed(self):
        source = """
async def numbers():
    try:
        yield 1
        yield 2
    finally:
        print("closed")
async def main():
    async for number in numbers():
        return number
"""
        guest = run(source)
        self.assertEqual((guest.result, guest.stdout), (1, "closed\n"))

    def test_an_exception_in_a_task_that_nobody_awaits_is_printed(self):
        source = "import asyncio\nasync def bad(): raise ValueError('lost')\nasync def main():\n    asyncio.create_task(bad())\n    await asyncio.sleep(0.001)\n    import gc; gc.collect()"
        self.assertIn("lost", run(source).stderr)

    def test_context_variables_and_async_context_managers(self):
        source = """
import asyncio, contextlib, contextvars
current = contextvars.ContextVar("current", default=0)
@contextlib.asynccontextmanager
async def setting(n):
    token = current.set(n)
    try:
        yield
    finally:
        current.reset(token)
async def read():
    async with setting(current.get() + 1):
        await asyncio.sleep(0)
        return current.get()
async def main():
    return [await asyncio.gather(read(), read()), current.get()]
"""
        self.assertEqual(value(source), [[1, 1], 0])


class Sleeping(unittest.TestCase):
    def test_time_sleep_sleeps(self):
        began = time.monotonic()
        elapsed = value("import time\ndef main():\n    t = time.monotonic()\n    time.sleep(0.05)\n    return time.monotonic() - t")
        self.assertGreaterEqual(elapsed, 0.05)
        self.assertGreaterEqual(time.monotonic() - began, 0.05)

    def test_a_sleep_beside_a_request_wakes_for_each(self):
        host = Host(internet=lambda request: reply(body="answer", after=0.05))
        source = """
import asyncio
async def main():
    order = []
    async def one(name, work):
        await work
        order.append(name)
    await asyncio.gather(one("request", http.get("https://a.example")), one("early", asyncio.sleep(0.01)), one("late", asyncio.sleep(0.1)))
    return order
"""
        self.assertEqual(value(source, host=host), ["early", "request", "late"])


if __name__ == "__main__":
    unittest.main()
