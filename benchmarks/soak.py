"""Random interactions with the viewer, for as long as one likes, and what they leave behind."""

import gc
import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import TimeoutError as PlaywrightTimeoutError
from trained_scenes import SyntheticScene
from viewer_page import ViewerPage, until

from samnerf.viewer.scene_app.desk import MODES, TOOLS
from samnerf.viewer.scene_app.exports import FORMATS, PICTURES
from samnerf.viewer.scene_app.viser_cameras import look_from

SETTLED = 0.2
"""Part of the interactions after which memory is first looked at; caches are full by then."""
LONGEST_PAUSE = 1.5
"""Seconds between two interactions."""
LONGEST_WORK = 600.0
"""Seconds that everything may take to be locked, or all views to be exported."""
UNFORESEEN = "nobody foresaw"
PRESS_MS = 5000.0


@dataclass
class Soak:
    """A person who does not know what they want.

    Attributes:
        page: the viewer's.
        scene: that is shown.
        interactions: how many.
        chance: decides.
    """

    page: ViewerPage
    scene: SyntheticScene
    interactions: int
    chance: random.Random
    done: Counter = field(default_factory=Counter)
    messages: list[str] = field(default_factory=list)

    def measure(self) -> dict[str, Any]:
        """Interactions, exceptions, and by which part the viewer's memory grew."""
        if not self.interactions:
            return {}
        self._listen()
        for folder in ("Camera path", "Take home"):
            self.page.unfold(folder)
        self.page.choose("Of", "This view")
        weights = self._choices()
        memory: list[float] = []
        for turn in range(self.interactions):
            act = self.chance.choices(list(weights), list(weights.values()))[0]
            if turn < len(weights):
                # Each kind once at first, and to its end: what it needs most memory for is no growth later.
                self._finish_work()
                act = list(weights)[turn]
            try:
                act()
            except PlaywrightTimeoutError:
                self.done["not pressed"] += 1  # a row that went away, a button under a message
            self.done[act.__name__.strip("_")] += 1
            self.page.page.wait_for_timeout(1000 * self.chance.uniform(0.05, LONGEST_PAUSE))
            if turn >= SETTLED * self.interactions:
                memory.append(_resident_memory())
        self.page.visit.work.cancel()
        self._finish_work()
        self.page.rest()
        gc.collect()
        tenth = max(1, len(memory) // 10)
        unforeseen = [one for one in self.messages if UNFORESEEN in one]
        for one in (*unforeseen, *self.page.faults):
            print(f"exception: {one}")
        growth = median(memory[-tenth:]) / median(memory[:tenth]) - 1
        return {
            "soak_interactions": self.interactions,
            "soak_exceptions": len(unforeseen) + len(self.page.faults),
            "soak_memory_growth": round(growth, 4),
            "soak_memory_gb": [round(median(memory[i : i + tenth]), 3) for i in range(0, len(memory), tenth)],
            "soak_refusals": len(self.messages) - len(unforeseen),
            "soak_kinds": dict(self.done.most_common()),
        }

    def _finish_work(self) -> None:
        until(lambda: not self.page.visit.panel.cancel.visible, LONGEST_WORK)

    def _listen(self) -> None:
        """Hear what the viewer says is wrong: all of it passes here on its way to the browser."""
        client = self.page.visit.client
        notify = client.add_notification

        def heard(title: str, body: str, **how: Any) -> Any:
            if how.get("color") == "red":
                self.messages.append(body)
            return notify(title, body, **how)

        client.add_notification = heard

    def _choices(self) -> dict[Callable[[], None], int]:
        return {
            self._click: 14, self._drag: 10, self._turn_wheel: 4, self._go_to: 4, self._tool: 4, self._take_back: 5,
            self._clear: 4, self._ask: 6, self._mode: 6, self._adjust: 5, self._example: 3, self._lock: 5,
            self._lock_everything: 1, self._cancel: 2, self._row: 7, self._step: 5, self._export: 2, self._path: 3,
            self._size: 1, self._file: 2,
        }  # fmt: skip

    def _place(self) -> tuple[float, float]:
        canvas = self.page.canvas
        return self.chance.uniform(0.02, 0.98) * canvas["width"], self.chance.uniform(0.02, 0.98) * canvas["height"]

    def _click(self) -> None:
        x, y = self._place()
        self.page.page.mouse.click(self.page.canvas["x"] + x, self.page.canvas["y"] + y)

    def _drag(self) -> None:
        canvas, mouse = self.page.canvas, self.page.page.mouse
        (x, y), (across, down) = self._place(), (self.chance.uniform(-120, 120), self.chance.uniform(-60, 60))
        mouse.move(canvas["x"] + x, canvas["y"] + y)
        mouse.down()
        mouse.move(canvas["x"] + x + across, canvas["y"] + y + down, steps=5)
        mouse.up()

    def _turn_wheel(self) -> None:
        self.page.page.mouse.move(self.page.canvas["x"] + 200, self.page.canvas["y"] + 200)
        self.page.page.mouse.wheel(0, self.chance.choice((-120, 120)))

    def _go_to(self) -> None:
        _, camera = self.chance.choice(self.page.app.common.cameras)
        look_from(self.page.visit.client, camera, self.page.app.common.distance)

    def _tool(self) -> None:
        self._press(self.chance.choice(TOOLS))

    def _take_back(self) -> None:
        self._press("Take back")

    def _clear(self) -> None:
        self._press("Clear")

    def _ask(self) -> None:
        names = [thing.name for thing in self.scene.world.objects]
        self.page.fill("Words", self.chance.choice([*names, "violet hippopotamus", " "]))
        if self.chance.random() < 0.5:
            self._press("Find")

    def _mode(self) -> None:
        self.page.choose("Show", self.chance.choice(MODES))

    def _adjust(self) -> None:
        moved = {self.chance.choice(("opacity", "threshold", "text_threshold")): self.chance.uniform(0.05, 0.95)}
        self.page.visit.change(lambda desk: desk.adjust(replace(desk.settings, **moved)))

    def _example(self) -> None:
        self._press(f"Example {self.chance.randint(1, 3)}")

    def _lock(self) -> None:
        self._press("Lock")

    def _lock_everything(self) -> None:
        self._press("Lock everything")

    def _cancel(self) -> None:
        self.page.visit.work.cancel()

    def _row(self) -> None:
        if self.page.visit.objects.layers.objects:
            self._press(self.chance.choice(("Hide", "Only", "Out", "✕")))

    def _step(self) -> None:
        self._press(self.chance.choice(("Undo", "Redo")))

    def _export(self) -> None:
        self.page.choose("What", self.chance.choice((PICTURES, *FORMATS)))
        self._press("Export")

    def _path(self) -> None:
        self._press(self.chance.choice(("Add here", "Add here", "Remove")))

    def _size(self) -> None:
        self.page.choose("Pixels", self.chance.choice(("256", "512")))

    def _file(self) -> None:
        self._press(self.chance.choice(("Save objects", "Load objects")))

    def _press(self, label: str) -> None:
        buttons = self.page.page.get_by_role("button", name=label, exact=True)
        buttons.nth(self.chance.randrange(max(1, buttons.count()))).click(timeout=PRESS_MS)


def _resident_memory() -> float:
    """Of this process, GB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e9
