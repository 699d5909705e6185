"""What the app says in words: help, and how things stand. HTML, with everything that came from outside escaped."""

from html import escape

from samnerf.viewer.image_app.desk import Desk

HELP = (
    "<b>Click</b> an object; further clicks <b>add</b> or <b>take away</b>; a <b>box</b> takes two opposite corners.",
    "Or <b>say</b> what you look for, such as “striped red cube”; the heat map shows where the words fit.",
    "<b>Everything</b> finds all objects at once. Pictures stay on the machine that runs this program.",
)
FIRST_STEP = "Click an object, draw a box, or say what you look for."


def status(desk: Desk) -> str:
    """How things stand, in one line."""
    if desk.corner is not None:
        return "The first corner is set. Click the opposite one."
    if desk.answer is None:
        height, width = desk.view.image_size
        return f"{FIRST_STEP} <span>{escape(desk.name)}, {width} &times; {height} pixels</span>"
    time = f"{desk.seconds * 1000:.0f} ms" if desk.seconds < 1 else f"{desk.seconds:.1f} s"
    if desk.answer.reason is not None:
        return f"<b>No mask:</b> {escape(desk.answer.reason)}. <span>{time}</span>"
    chosen = desk.chosen
    area = sum(one.area for one in chosen)
    if area == 0:
        return f"<b>The mask is empty.</b> Take back the last prompt, or add a click. <span>{time}</span>"
    if len(chosen) == 1:
        share = 100 * area / chosen[0].mask.size
        return f"<b>One object,</b> score {chosen[0].score:.2f}, {share:.1f} % of the picture. <span>{time}</span>"
    best, worst = max(one.score for one in chosen), min(one.score for one in chosen)
    return f"<b>{len(chosen)} objects,</b> scores {worst:.2f} to {best:.2f}. <span>{time}</span>"


def candidate_labels(desk: Desk) -> list[tuple[str, int]]:
    """What each candidate is called, and its rank; none where there is no choice."""
    return [(f"{rank + 1}. {score:.2f}", rank) for rank, score in enumerate(desk.candidate_scores)]


def sentence(message: str) -> str:
    """An error's line as a sentence."""
    return message[:1].upper() + message[1:].rstrip(".") + "."
