"""A real browser for the applications."""

import os
from pathlib import Path

import pytest
from viewer_page import ARGUMENTS, CHROMIUM


@pytest.fixture(scope="module")
def browser():
    """Chromium, drawing on the CPU. Without one the test is skipped, or fails if SAMNERF_REQUIRE_BROWSER is 1."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        path = {"executable_path": CHROMIUM} if Path(CHROMIUM).exists() else {}
        try:
            launched = playwright.chromium.launch(args=list(ARGUMENTS), **path)
        except Error as error:
            missing = f"no Chromium; apt-get install chromium, or playwright install chromium ({error.message[:200]})"
            if os.environ.get("SAMNERF_REQUIRE_BROWSER") == "1":
                pytest.fail(missing)
            pytest.skip(missing)
        with launched:
            yield launched
