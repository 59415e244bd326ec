"""The one thread that owns the models: it loads them, takes requests, has each lane make a batch in its turn, tells the answers.

Invariants: nothing else touches a model, a tokenizer or a task that is loaded; every request that was submitted is told of once,
also when the thread dies: then all that are open are refused with 503, and another thread goes on, with the models loaded anew
where it dies again. What is told is told in the loop's thread, a turn's at once.

    owner = Owner(hosted, load, post=loop.call_soon_threadsafe); owner.start(); owner.submit(one, ask)
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from byeori.serve.ask import Ask, Refused

if TYPE_CHECKING:
    from byeori.predict.run import Run
    from byeori.serve.lane import Lane

HALF_LIFE = 10.0  # seconds of work after which what a model managed counts half
SURE = 0.5  # seconds of work before it is relied on
PATIENCE = 0.8  # of its time a request may be expected to wait
RECENT, RELOADED = 30.0, 2  # deaths within so many seconds, from which on models are loaded anew
DEADLY = 6  # and from which on the server gives up


@dataclass(eq=False)
class Hosted:
    """A served model: its `name`, where it comes from, and, once it is loaded, the run and the lane of its requests; `of`: the one
    whose weights it is asked for vectors of."""

    name: str
    source: Any
    of: Hosted | None = None
    run: Run | None = None
    lane: Lane | None = None
    cost: float = 0.0  # of open requests
    done: float = 0.0  # cost of answered ones, and the seconds that took, both fading
    spent: float = 0.0

    @property
    def wait(self) -> float:
        """Seconds until what is open is answered, as far as is known."""
        return self.cost * self.spent / self.done if self.spent > SURE and self.done else 0.0

    def worked(self, seconds: float, cost: float) -> None:
        self.spent += seconds
        self.done += cost
        if self.spent > HALF_LIFE:
            self.spent, self.done = self.spent / 2, self.done / 2


@dataclass
class Owner:
    """`load` makes a hosted model's run; `lane` its lane; `post` has a function called in the loop's thread. `ready`, `died` and
    `hopeless` are told, there too, once all models are loaded, of the error a thread died of, and of one that can't be got over."""

    hosted: list[Hosted]
    load: Callable[[Hosted], Run | None]
    lane: Callable[[Run], Lane]
    post: Callable[..., Any]
    most: int = 512
    timeout: float = 60.0
    ready: Callable[[], None] = lambda: None
    died: Callable[[BaseException], None] = lambda error: None
    hopeless: Callable[[BaseException], None] = lambda error: None
    loaded: bool = False
    restarts: int = 0
    _open: dict[Ask, Hosted] = field(default_factory=dict)
    _inbox: deque[tuple[Hosted, Ask]] = field(default_factory=deque)
    _outbox: list[Callable[[], None]] = field(default_factory=list)
    _wake: threading.Condition = field(default_factory=threading.Condition)
    _deaths: deque[float] = field(default_factory=deque)
    _stopping: bool = False
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="byeori-model", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(timeout)

    # from the loop's thread ---------------------------------------------------------------------------------------
    @property
    def waiting(self) -> int:
        """Requests that are not answered yet."""
        return len(self._open)

    @property
    def wait(self) -> float:
        return sum(one.wait for one in self.hosted)

    def admit(self, one: Hosted) -> None:
        """Raises Refused for a further request where too many wait, or it would wait too long."""
        if one.lane is None and not self.loaded:
            raise Refused(503, f"{one.name} is still being loaded. GET /ready says when it can be asked.", after=1.0)
        expected = self.wait
        if len(self._open) >= self.most or expected > PATIENCE * self.timeout:
            after = float(min(60, max(1, math.ceil(expected / 2))))
            raise Refused(429, f"{len(self._open):,} requests wait already. Ask again in {after:.0f} s.", after=after)

    def submit(self, one: Hosted, ask: Ask) -> None:
        """Raises Refused once it is told to stop."""
        with self._wake:
            if self._stopping:
                raise Refused(503, "this server is being stopped.", after=5.0)
            self._open[ask] = one
            one.cost += ask.cost
            self._inbox.append((one, ask))
            self._wake.notify()

    def tell(self, function: Callable[..., None]) -> Callable[..., None]:
        """The function, to be called in the loop's thread with what this one is called with in the model's."""
        return lambda *values: self._outbox.append(partial(function, *values))

    def leave(self, ask: Ask) -> None:
        """Nobody waits for it any more."""
        ask.gone = True
        with self._wake:
            self._close(ask)

    def _close(self, ask: Ask) -> float:
        one = self._open.pop(ask, None)
        if one is None:
            return 0.0
        one.cost = max(0.0, one.cost - ask.cost) if self._open else 0.0
        return ask.cost

    # the model's thread -------------------------------------------------------------------------------------------
    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # whatever it is, whoever waits is told
            self._die(error)

    def _work(self) -> None:
        import torch

        with torch.inference_mode():
            for one in self.hosted:
                if one.run is None:
                    try:
                        one.run = self.load(one)
                    except Exception as error:
                        self.post(self.hopeless, error)
                        return
                if one.lane is None and one.run is not None:
                    one.lane = self.lane(one.run)
            self.loaded = True
            self.post(self.ready)
            while self._step():
                continue
        self._refuse_all(Refused(503, "this server is being stopped.", after=5.0))

    def _step(self) -> bool:
        """What has come is handed to the lanes, and each that is due has its turn. False once it is told to stop."""
        with self._wake:
            while not (self._inbox or self._stopping):
                due = min((one.lane.due for one in self.hosted if one.lane and one.lane.busy), default=math.inf)
                left = due - time.monotonic()
                if left <= 0:
                    break
                self._wake.wait(None if math.isinf(left) else left)
            if self._stopping:
                return False
            came = list(self._inbox)
            self._inbox.clear()
        for one in self.hosted:
            lane = one.lane
            if lane is None:
                continue
            if mine := [ask for of, ask in came if of is one]:
                lane.take(mine)
            if lane.busy and lane.due <= time.monotonic():
                started = time.perf_counter()
                lane.turn()
                self._flush(one, time.perf_counter() - started)
        return True

    def _flush(self, one: Hosted | None = None, seconds: float = 0.0) -> None:
        """Tells what was found; what it cost is remembered."""
        told, self._outbox = self._outbox, []
        with self._wake:
            ended = [ask for ask, of in self._open.items() if ask.ended and of is one] if told else []
            cost = sum(map(self._close, ended))
        if one is not None:
            one.worked(seconds, cost)
        if told:
            self.post(_each, told)

    def _refuse_all(self, refused: Refused) -> None:
        with self._wake:
            self._inbox.clear()
            asks = list(self._open)
            self._open.clear()
        for one in self.hosted:
            one.cost = 0.0
        for ask in asks:
            ask.refuse(refused)
        self._flush()

    def _die(self, error: BaseException) -> None:
        now = time.monotonic()
        self.restarts += 1
        self._deaths.append(now)
        while self._deaths[0] < now - RECENT:
            self._deaths.popleft()
        self.loaded = False
        for one in self.hosted:
            one.lane = None
        self._refuse_all(Refused(503, "the model's thread failed, and is being started again. Ask again.", after=1.0))
        self.post(self.died, error)
        if self._stopping:
            return
        if len(self._deaths) >= DEADLY:
            self.post(self.hopeless, error)
            return
        if len(self._deaths) > RELOADED:
            for one in self.hosted:
                one.run = None
        time.sleep(0.1 * len(self._deaths))
        self.start()


def _each(functions: list[Callable[[], None]]) -> None:
    for function in functions:
        function()
