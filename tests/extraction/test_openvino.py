"""OpenVINO, asked by several threads at once."""

import subprocess
import sys

import pytest

TWO_FIRST = """
import sys, threading
from solar.extraction.engines.openvino import one_core
import openvino
sys.setswitchinterval(1e-6)
one_core()
meet = threading.Barrier(2)
def ask():
    meet.wait()
    openvino.Type.f32.to_dtype()
threads = [threading.Thread(target=ask) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


@pytest.mark.parametrize("attempt", range(4))
def test_two_threads_that_ask_first_do_not_wait_for_one_another(attempt: int) -> None:
    """Without care every second process stands still here, and holds the interpreter's lock."""
    subprocess.run([sys.executable, "-c", TWO_FIRST], check=True, timeout=60)
