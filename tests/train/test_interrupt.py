"""The first signal asks, the second insists."""

import os
import signal

import pytest

from terrazzo.train.interrupt import StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_request__first_signal_sets_the_flag_and_second_raises(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopRequest() as request:
        assert not request.stop
        os.kill(os.getpid(), number)
        assert request.stop
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before
