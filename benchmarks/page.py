"""From the drop of a photo on the page to the first result, in a real browser.

    python -m benchmarks.page FOLDER [--photos 10000] [--drops 20] [--megapixels 12]

FOLDER is made, or is that of `benchmarks.serve`, whose index is used. Photos are dropped one after
the other on the page of `solar serve`; the clock runs in the page, from the drop until the picture
of the first hit is shown. Needs Debian's chromium and Playwright. Ends with 1 where half of the
drops take longer than a second.
"""

from __future__ import annotations

import argparse
import base64
import io
import shutil
import sys
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from benchmarks.limits import machine
from benchmarks.serve import SCENES, prepare
from tests.scenes import scene
from tests.web.server import serving

WANTED = 1000.0  # milliseconds
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
DROP = """([text, name]) => new Promise((done) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], name, {type: "image/jpeg"}));
    const main = document.querySelector("main");
    const started = performance.now();
    for (const kind of ["dragenter", "dragover", "drop"])
        main.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true}));
    const look = () => {
        const image = document.querySelector('.results[aria-busy="false"] .hit img');
        if (image?.complete && image.naturalWidth) done(performance.now() - started);
        else requestAnimationFrame(look);
    };
    look();
})"""


def dropped(page: Page, number: int, megapixels: float) -> float:
    """Milliseconds until the first hit of one of the scenes is shown."""
    width = int((megapixels * 1e6 * 4 / 3) ** 0.5)
    buffer = io.BytesIO()
    scene(number, (480, 360)).resize((width, width * 3 // 4)).save(buffer, "JPEG", quality=90)
    text = base64.b64encode(buffer.getvalue()).decode()
    page.get_by_role("button", name="Solar: new search").click()
    page.locator(".results").wait_for(state="hidden")
    return float(page.evaluate(DROP, [text, f"{number}.jpg"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--drops", type=int, default=20)
    parser.add_argument("--megapixels", type=float, default=12)
    given = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("needs Debian's chromium")
    given.folder.mkdir(parents=True, exist_ok=True)
    index = prepare(given.folder, given.photos)
    with serving(index, given.folder / "page.log") as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        page.goto(server.address)
        page.locator(".empty").wait_for()
        took = [dropped(page, n % SCENES, given.megapixels) for n in range(given.drops)]
        browser.close()
        server.stop()
    print(machine())
    print(
        f"photos of {given.megapixels:g} megapixels, index of {given.photos:,}, {given.drops} drops"
    )
    p50, p95 = np.percentile(took, [50, 95])
    print(f"first {took[0]:.0f} ms, p50 {p50:.0f}, p95 {p95:.0f} (wanted: {WANTED:.0f})")
    sys.exit(0 if p50 <= WANTED else 1)


if __name__ == "__main__":
    main()
