"""asyncio."""

import asyncio
import threading

import pytest

import iceway
from definitions import schema

pytestmark = pytest.mark.broker
STRING = schema("std_msgs/String")


@pytest.fixture
def ends(world):
    with iceway.connect() as one, iceway.connect() as two:
        yield two.subscribe("/s", STRING, depth=16), one.advertise("/s", STRING)


def test_arecv(ends):
    sub, pub = ends

    async def main():
        waiting = asyncio.create_task(sub.arecv())
        await asyncio.sleep(0)
        pub.publish(data="a")
        assert (await waiting).data == "a"
        pub.publish(data="b")
        pub.publish(data="c")
        assert [(await sub.arecv(5)).data, (await sub.arecv(5)).data] == ["b", "c"]
        with pytest.raises(iceway.Timeout, match="/s"):
            await sub.arecv(0.05)
        with pytest.raises(iceway.Timeout):
            await sub.arecv(0)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(sub.arecv(), 0.05)
        pub.publish(data="d")
        assert (await asyncio.wait_for(sub.arecv(), 5)).data == "d"

    asyncio.run(main())


def test_async_iteration(ends):
    sub, pub = ends

    async def main():
        seen = []

        async def publish():
            for number in range(5):
                pub.publish(data=str(number))
                await asyncio.sleep(0.001)

        task = asyncio.create_task(publish())
        async for msg in sub:
            seen.append(msg.data)
            if len(seen) == 5:
                break
        await task
        return seen

    assert asyncio.run(main()) == ["0", "1", "2", "3", "4"]


def test_several_tasks_share_a_subscription(ends):
    sub, pub = ends

    async def main():
        tasks = [asyncio.create_task(sub.arecv(10)) for _ in range(4)]
        await asyncio.sleep(0.01)
        for number in range(4):
            pub.publish(data=str(number))
        return sorted(msg.data for msg in await asyncio.gather(*tasks))

    assert asyncio.run(main()) == ["0", "1", "2", "3"]


def test_several_loops_share_a_subscription(ends):
    sub, pub = ends
    got = []

    def run():
        async def main():
            got.append((await sub.arecv(20)).data)

        asyncio.run(main())

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(3):
        pub.publish(data=str(number))
    for thread in threads:
        thread.join(30)
    assert sorted(got) == ["0", "1", "2"]


def test_closing_ends_async_iteration(ends):
    sub, _ = ends

    async def main():
        async def receive():
            return [msg async for msg in sub]

        here = asyncio.create_task(receive())
        await asyncio.sleep(0.01)
        sub.close()
        return await asyncio.wait_for(here, 10)

    assert asyncio.run(main()) == []

    async def again():
        with pytest.raises(iceway.Closed):
            await sub.arecv()

    asyncio.run(again())


def test_closing_from_another_thread(ends):
    sub, _ = ends

    async def main():
        task = asyncio.create_task(sub.arecv())
        await asyncio.sleep(0.01)
        closer = threading.Thread(target=sub.close)
        closer.start()
        with pytest.raises(iceway.Closed):
            await asyncio.wait_for(task, 10)
        await asyncio.to_thread(closer.join)

    asyncio.run(main())


def test_cancelled_waits_leave_nothing_behind(ends):
    sub, pub = ends

    async def main():
        for _ in range(20):
            task = asyncio.create_task(sub.arecv())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert not sub._readiness._waiters
        pub.publish(data="x")
        assert (await sub.arecv(5)).data == "x"

    asyncio.run(main())


def test_async_sync(world):
    header = schema("std_msgs/Header")
    with iceway.connect() as one, iceway.connect() as two:
        subs = [two.subscribe(f"/{name}", header, depth=10) for name in "ab"]
        pubs = [one.advertise(f"/{name}", header) for name in "ab"]
        both = iceway.sync(subs, slop=0.01, stamp=lambda m: m.stamp.sec * 10**9)

        async def main():
            async def publish():
                for number in range(3):
                    for pub in pubs:
                        pub.publish(stamp={"sec": number})
                        await asyncio.sleep(0.001)

            task = asyncio.create_task(publish())
            seen = []
            async for a, b in both:
                seen.append((a.stamp.sec, b.stamp.sec))
                if len(seen) == 3:
                    break
            await task
            with pytest.raises(iceway.Timeout):
                await both.arecv(0.02)
            return seen

        assert asyncio.run(main()) == [(0, 0), (1, 1), (2, 2)]
