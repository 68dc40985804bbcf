# SPDX-License-Identifier: GPL-3.0-or-later
"""How long tests wait, on a machine that stands still at times.

One that is emulated on a busy one does so for seconds. Its clock goes on then, and all time-outs
with it, though nothing had the processor meanwhile. So what is waited for, and what is measured, is
counted in the time that this machine ran: a thread sleeps a beat again and again, and a beat that
took far longer counts as a short one.
"""

import threading
import time

AMPLE_S = 60   # for what has to come, where no test is about how soon
CLOCK_S = 240  # the same, for who counts by the clock: sockets and programs
STEP_S = 0.2  # of a wait that ends by the clock: more of them may follow
BEAT_S, BEAT_MAX_S = 0.05, 0.1


class _Heart:
    def __init__(self):
        self.beaten = (0.0, time.monotonic())
        threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self):
        while True:
            time.sleep(BEAT_S)
            self.beaten = (self.lived(), time.monotonic())

    def lived(self):
        before, at = self.beaten
        return before + min(time.monotonic() - at, BEAT_MAX_S)


lived = _Heart().lived


class Patience:
    """So many seconds of the time that the machine runs, from now on."""

    def __init__(self, seconds):
        self.seconds, self.begin = seconds, lived()

    def spent(self):
        return lived() - self.begin

    def left(self):
        return max(self.seconds - self.spent(), 0.0)

    def step(self):
        """For select() and its like: while something is left()."""
        return min(self.left(), STEP_S)


def let_pass(seconds):
    """Where nothing else tells that nothing comes."""
    patience = Patience(seconds)
    while patience.left():
        time.sleep(patience.step())
