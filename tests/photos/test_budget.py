"""All decoders share one budget: what does not fit waits, and nothing waits for ever."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from solar.photos._budget import Budget


@given(st.lists(st.integers(0, 150), min_size=1, max_size=30), st.integers(1, 8))
@settings(max_examples=20, deadline=None)
def test_what_runs_at_once_fits_or_runs_alone(amounts: list[int], threads: int) -> None:
    budget, lock, running = Budget(100), threading.Lock(), list[int]()

    def work(amount: int) -> None:
        with budget.share(amount):
            with lock:
                running.append(amount)
                assert sum(running) <= 100 or len(running) == 1
            time.sleep(0.0005)
            with lock:
                running.remove(amount)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, amounts))


def test_photos_that_are_held_count_until_they_are_gone() -> None:
    budget = Budget(1000)
    photo = Image.new("RGB", (10, 20))
    budget.hold(photo)  # 800 bytes
    entered = threading.Event()

    def wait() -> None:
        with budget.share(500):
            entered.set()

    with budget.share(100):
        thread = threading.Thread(target=wait)
        thread.start()
        assert not entered.wait(0.2)  # 100 + 800 + 500 is too much while another decodes
        del photo
        gc.collect()
        assert entered.wait(5)
    thread.join()
    held = Image.new("RGB", (100, 100))
    budget.hold(held)
    with budget.share(500):  # alone it goes on, whatever is held
        pass


def test_a_decode_that_fails_gives_its_share_back() -> None:
    budget = Budget(10)
    for _ in range(3):
        with pytest.raises(ValueError, match="damaged"), budget.share(10):
            raise ValueError("damaged")
    with budget.share(10):
        pass


_WAITER = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell ignores it
from solar.photos._budget import Budget
budget = Budget(10)
with budget.share(10):
    try:
        print("waiting", flush=True)
        with budget.share(10):
            pass
    except KeyboardInterrupt:
        print("interrupted", flush=True)
with budget.share(10):
    print("nobody is held up by who gave up", flush=True)
"""


def test_waiting_ends_with_ctrl_c() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _WAITER], stdout=subprocess.PIPE, text=True
    ) as waiter:
        assert waiter.stdout is not None
        assert waiter.stdout.readline() == "waiting\n"
        time.sleep(0.3)
        waiter.send_signal(signal.SIGINT)
        output, _ = waiter.communicate(timeout=60)
    assert output == "interrupted\nnobody is held up by who gave up\n"
