"""The page as people use it: a real Chromium on a real service."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from solar.index import index_photos
from tests.chromium import CHROMIUM, PHONE, assert_fits, chromium, watched
from tests.scenes import scene
from tests.web.server import REPOSITORY, Server, serving

pytest.importorskip("playwright", reason="needs Playwright: pip install playwright")
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

AXE = REPOSITORY / "page" / "node_modules" / "axe-core" / "axe.min.js"
SCREENSHOTS = Path(os.environ.get("SOLAR_SCREENSHOTS", REPOSITORY / "page" / "screenshots"))

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium"),
]

SCENES = 6
DAYS = ("2019-07-12", "2020-02-03", "2020-12-31", "2021-05-05", "2022-08-09", "2023-01-02")


def _seen_again(photo: Image.Image) -> Image.Image:
    """The same flat scene from another side."""
    w, h = photo.size
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    moved = np.array([[14, 22], [w - 40, 4], [w - 12, h - 30], [30, h - 8]], np.float32)
    plane = cv2.getPerspectiveTransform(corners, moved)
    pixels = cv2.warpPerspective(np.asarray(photo), plane, (w, h), borderMode=cv2.BORDER_REFLECT)
    return Image.fromarray(np.asarray(pixels, np.uint8))


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six scenes in `first`, each seen again in `second`, with dates and one with a position."""
    folder = tmp_path_factory.mktemp("browser") / "album"
    for name in ("first", "second"):
        (folder / name).mkdir(parents=True)
    for number in range(SCENES):
        photo = scene(300 + number, (480, 360))
        exif = Image.Exif()
        exif.get_ifd(0x8769)[36867] = f"{DAYS[number].replace('-', ':')} 10:00:00"
        if number == 0:
            exif.get_ifd(0x8825).update(
                {1: "N", 2: (48.0, 51.0, 30.0), 3: "E", 4: (2.0, 17.0, 40.0)}
            )
        photo.save(folder / "first" / f"{number}.jpg", quality=92, exif=exif)
        _seen_again(photo).save(folder / "second" / f"{number}.jpg", quality=92)
    return folder


@pytest.fixture(scope="module")
def service(album: Path) -> Iterator[Server]:
    index = album.parent / "my.index"
    index_photos(index, [album])
    with serving(index, album.parent / "server.log") as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def _watched(context: BrowserContext, service: Server, faults: list[str]) -> Page:
    """A page of which every error and every request to elsewhere is kept."""
    page = watched(context, service.address, faults)
    page.goto(service.address)
    return page


@pytest.fixture
def page(browser: Browser, service: Server) -> Iterator[Page]:
    """A fresh page; the test fails if anything went wrong in it that no one saw."""
    faults: list[str] = []
    with browser.new_context(viewport={"width": 1200, "height": 800}) as context:
        yield _watched(context, service, faults)
    assert not faults


def _keep(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def _hand_over(page: Page, photo: Path, event: str) -> None:
    """Drop or paste a file, as the system does."""
    given = page.evaluate_handle(
        """([bytes, name]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], name, {type: "image/jpeg"}));
            return data;
        }""",
        [list(photo.read_bytes()), photo.name],
    )
    if event == "paste":
        page.evaluate(
            "data => document.body.dispatchEvent(new ClipboardEvent('paste',"
            " {clipboardData: data, bubbles: true}))",
            given,
        )
        return
    for step in ("dragenter", "dragover", "drop"):
        page.dispatch_event("main", step, {"dataTransfer": given})


def _hits(page: Page) -> Locator:
    expect(page.locator(".results[aria-busy=false]")).to_be_visible()
    hits = page.get_by_role("list", name="Hits, best first").get_by_role("listitem")
    expect(hits.first).to_be_visible()
    return hits


def _start(page: Page, name: str = "0.jpg") -> Locator:
    """Search with an indexed photo by a click."""
    page.get_by_role("button", name=f"Search with {name}", exact=True).first.click()
    return _hits(page)


def _open(page: Page, number: int) -> Locator:
    _hits(page).nth(number).locator(".hit").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("[data-inliers]")).to_be_visible()
    return dialog


def _painted(canvas: Locator) -> int:
    """The sum of a canvas's alpha."""
    return int(
        canvas.evaluate(
            "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data"
            ".reduce((sum, value, n) => n % 4 === 3 ? sum + value : sum, 0)"
        )
    )


def test_an_empty_page_says_what_to_do(page: Page) -> None:
    expect(page.get_by_role("button", name=re.compile("Drop a photo here"))).to_be_visible()
    expect(page.get_by_text("among 12 photos")).to_be_visible()
    expect(page.locator(".empty li img")).to_have_count(12)
    _keep(page, "empty-light")


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_photo_that_is_handed_over_is_found_again(page: Page, album: Path, event: str) -> None:
    _hand_over(page, album / "second" / "2.jpg", event)
    hits = _hits(page)
    expect(hits).to_have_count(2 * SCENES)
    assert {hits.nth(n).locator(".name").inner_text() for n in (0, 1)} == {"2.jpg"}
    assert re.search(r"\d+ %\s+probable\s+score\s+[01]\.\d{3}", hits.first.inner_text())
    expect(page.get_by_role("status").filter(has_text="12 photos in")).to_be_visible()
    if event == "drop":
        _keep(page, "hits-light")


def test_a_box_is_searched_for_and_taken_away_again(page: Page) -> None:
    _start(page)
    layer = page.get_by_role("application", name=re.compile("Part of 0.jpg"))
    area = layer.bounding_box()
    assert area
    with page.expect_request("**/api/v1/search") as asked:
        page.mouse.move(area["x"] + 0.1 * area["width"], area["y"] + 0.2 * area["height"])
        page.mouse.down()
        page.mouse.move(area["x"] + 0.6 * area["width"], area["y"] + 0.7 * area["height"], steps=5)
        page.mouse.up()
    sent = asked.value.post_data_buffer or b""
    box = re.search(rb'name="box"\s+([\d.%,]+)', sent)
    assert box
    edges = [float(edge.rstrip(b"%")) for edge in box[1].split(b",")]
    assert edges == pytest.approx([10, 20, 60, 70], abs=1)
    _hits(page)
    expect(page.get_by_text("Only this part is searched for.")).to_be_visible()
    _keep(page, "box")
    page.get_by_role("button", name="Whole photo").click()
    expect(page.get_by_text("Only this part")).to_be_hidden()


def test_several_photos_and_not_like_this(page: Page, album: Path) -> None:
    _start(page)
    with page.expect_file_chooser() as chooser, page.expect_request("**/api/v1/search"):
        page.get_by_role("button", name="+ Another photo").click()
        chooser.value.set_files(album / "second" / "0.jpg")
    expect(page.get_by_text("2 photos of one place, searched for together.")).to_be_visible()
    hits = _hits(page)
    other = hits.nth(3).locator(".name").inner_text()
    hits.nth(3).hover()
    with page.expect_request("**/api/v1/search"):
        hits.nth(3).get_by_role("button", name=f"Not like {other}").click()
    _hits(page)
    expect(page.get_by_role("list", name="Photos of the query").locator("li")).to_have_count(3)
    _keep(page, "several")
    page.get_by_role("button", name=f"Remove Not like {other}").click()
    page.go_back()
    expect(page.get_by_role("list", name="Photos of the query").locator("li")).to_have_count(3)


def test_attention_follows_the_pointer_with_one_request(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    _start(page)
    page.get_by_role("radio", name="Attention").click()
    layer = page.locator(".query .layer[data-state=shown]")
    expect(layer).to_be_visible()
    area = layer.bounding_box()
    assert area
    seen = set()
    for part in (0.1, 0.5, 0.9):
        page.mouse.move(area["x"] + part * area["width"], area["y"] + part * area["height"])
        page.wait_for_timeout(500)
        seen.add(_painted(layer.locator("canvas")))
    assert len(seen) == 3 and min(seen) > 0
    assert asked.count("attention") == 1
    _keep(page, "attention")
    layer.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(500)
    assert _painted(layer.locator("canvas")) not in seen


def test_a_hit_shows_what_agrees(page: Page) -> None:
    _start(page)
    dialog = _open(page, 1)
    count = int(dialog.locator("[data-inliers]").get_attribute("data-inliers") or 0)
    assert count > 10
    expect(dialog.locator("svg line:not(.shade)").first).to_be_attached()
    _keep(page, "matches-light")
    page.keyboard.press("ArrowRight")
    expect(dialog.get_by_text("3 of 12")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    dialog.get_by_role("radio", name="Then and now").click()
    slider = dialog.get_by_role("slider")
    expect(dialog.locator(".laid")).to_have_css("transform", re.compile("matrix3d"))
    slider.fill("20")
    expect(dialog.locator(".over")).to_have_css("clip-path", re.compile("20%"))
    _keep(page, "then-and-now")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_a_hit_says_why(page: Page) -> None:
    _start(page)
    dialog = _open(page, 1)
    dialog.get_by_role("radio", name="Why").click()
    expect(dialog.locator("canvas.why")).to_have_count(2)
    expect(
        dialog.get_by_text(re.compile(r"Half of the similarity comes from \d+ %"))
    ).to_be_visible()
    assert all(_painted(canvas) > 0 for canvas in dialog.locator("canvas.why").all())
    _keep(page, "why")


def test_filters_leave_photos_out(page: Page) -> None:
    _start(page)
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("Folder contains").fill("second")
    expect(page.get_by_text("""--where "folder ~ 'second'\"""")).to_be_visible()
    expect(_hits(page)).to_have_count(SCENES)
    page.get_by_label("Folder contains").fill("")
    page.get_by_label("Taken from").fill("2020-01-01")
    page.get_by_label("to", exact=True).fill("2020-12-31")
    expect(_hits(page)).to_have_count(2)
    _keep(page, "filters")
    page.get_by_role("button", name="Clear filters").click()
    page.get_by_role("button", name="Near where the query was taken").click()
    expect(_hits(page)).to_have_count(1)


def test_the_map_is_looked_through_and_clicked(page: Page) -> None:
    page.get_by_role("button", name="Map").click()
    plane = page.get_by_role("application", name=re.compile("Photos as a map"))
    expect(plane).to_have_attribute("data-photos", str(2 * SCENES))
    plane.focus()
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".map .told")).to_have_text(re.compile(r"\.jpg$"))
    _keep(page, "map-light")
    page.keyboard.press("Enter")
    assert _hits(page)
    page.go_back()
    expect(plane).to_be_visible()


def _look_closer(page: Page) -> Locator:
    """At a photo of the first place."""
    page.get_by_role("button", name="Places", exact=True).click()
    expect(page.get_by_text(re.compile(r"places? seen in more than one photo"))).to_be_visible()
    page.get_by_role("radio", name="Look closer").click()
    page.get_by_role("button", name=re.compile("Look closer at photo")).first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("img")).not_to_have_js_property("naturalWidth", 0)
    return dialog


def test_places_are_waited_for_and_looked_at_closer(page: Page) -> None:
    dialog = _look_closer(page)
    dialog.get_by_role("radio", name="Attention").click()
    expect(dialog.locator(".layer[data-state=shown]")).to_be_visible()
    _keep(page, "look-closer-light")
    dialog.get_by_role("radio", name="Part").click()
    layer = dialog.get_by_role("application", name=re.compile("Part of"))
    layer.focus()
    page.keyboard.press("ArrowRight")
    expect(dialog.get_by_role("button", name="Forget this photo …")).to_be_hidden()
    with page.expect_request("**/api/v1/search") as asked:
        dialog.get_by_role("button", name="Search for this part").click()
    assert b'name="box"' in (asked.value.post_data_buffer or b"")
    _hits(page)
    expect(page.get_by_text("Only this part is searched for.")).to_be_visible()
    page.go_back()
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_a_photo_is_forgotten_once_asked_again(
    browser: Browser, service: Server, album: Path, tmp_path: Path
) -> None:
    shutil.copytree(album.parent / "my.index", tmp_path / "own.index")
    tokens = {"SOLAR_TOKEN": "r" * 20, "SOLAR_WRITE_TOKEN": "w" * 20}
    faults: list[str] = []
    with (
        serving(tmp_path / "own.index", tmp_path / "log", environment=tokens) as own,
        browser.new_context(viewport={"width": 1200, "height": 800}) as context,
    ):
        page = _watched(context, own, faults)

        def give(token: str) -> None:
            page.get_by_label("Token").fill(token)
            page.get_by_role("button", name="Go on").click()

        def ask() -> Locator:
            dialog = page.get_by_role("dialog")
            dialog.get_by_role("button", name="Forget this photo …").click()
            expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
            return dialog

        give("r" * 20)
        _start(page)
        _open(page, 1)
        ask().get_by_role("button", name="Keep it").click()
        dialog = ask()
        _keep(page, "forget-light")
        dialog.get_by_role("button", name="Forget it").click()
        expect(dialog.get_by_role("alert")).to_contain_text("this token reads")
        dialog.get_by_role("button", name="Give another token").click()
        give("w" * 20)
        hits = _hits(page)
        expect(hits).to_have_count(2 * SCENES)
        _open(page, 1)
        ask().get_by_role("button", name="Forget it").click()
        expect(hits).to_have_count(2 * SCENES - 1)
        expect(page.get_by_text(f"own.index, {2 * SCENES - 1} photos")).to_be_visible()
        assert len(list(album.rglob("*.jpg"))) == 2 * SCENES, "its file stays"
    # the first answers without a token, and the refusal of the one that reads
    assert [fault for fault in faults if "401" not in fault and "403" not in fault] == []


def test_the_keyboard_is_enough(page: Page, album: Path) -> None:
    page.on("filechooser", lambda chooser: chooser.set_files(album / "first" / "1.jpg"))
    expect(page.locator(".empty li img").first).to_be_visible()
    page.keyboard.press("/")
    expect(page.locator("#pick")).to_be_focused()
    page.keyboard.press("Enter")
    hits = _hits(page)
    hits.first.locator(".hit").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(hits.nth(2).locator(".hit")).to_be_focused()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("3 of 12")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(hits.nth(2).locator(".hit")).to_be_focused()
    with page.expect_request("**/api/v1/search"):
        page.keyboard.press("+")
    layer = page.get_by_role("application", name=re.compile("Part of"))
    layer.focus()
    with page.expect_request("**/api/v1/search"):
        page.keyboard.press("ArrowRight")
    expect(layer).to_have_accessible_name(re.compile("from 25 to 75 percent across"))


def test_it_fits_a_phone(browser: Browser, service: Server) -> None:
    faults: list[str] = []
    with browser.new_context(**PHONE) as context:
        page = _watched(context, service, faults)
        expect(page.locator(".empty li img").first).to_be_visible()
        _keep(page, "phone-empty-dark")
        assert_fits(page)
        _start(page)
        assert_fits(page)
        _keep(page, "phone-hits-dark")
        _open(page, 1)
        assert_fits(page)
        _keep(page, "phone-matches-dark")
        page.keyboard.press("Escape")
        _look_closer(page)
        assert_fits(page)
        _keep(page, "phone-look-closer-dark")
        page.keyboard.press("Escape")
        assert_fits(page)
        _keep(page, "phone-places-dark")
        for view in ("Map", "Index"):
            page.get_by_role("button", name=view, exact=True).click()
            page.wait_for_load_state("networkidle")
            assert_fits(page)
            _keep(page, f"phone-{view.lower()}-dark")
    assert not faults


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_has_nothing_serious_to_say(browser: Browser, service: Server, scheme: str) -> None:
    if not AXE.exists():
        pytest.skip("needs axe-core: make page")
    faults: list[str] = []
    with browser.new_context(
        viewport={"width": 1200, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    ) as context:
        page = _watched(context, service, faults)
        page.evaluate(AXE.read_text())

        def look(what: str) -> None:
            found = page.evaluate(
                "async () => (await axe.run()).violations.filter("
                "v => ['serious', 'critical'].includes(v.impact)).map("
                "v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 120)).join(' | '))"
            )
            assert found == [], what

        expect(page.locator(".empty li img").first).to_be_visible()
        look("the empty page")
        _start(page)
        look("hits")
        if scheme == "dark":
            _keep(page, "hits-dark")
        _open(page, 1)
        look("a hit")
        if scheme == "dark":
            _keep(page, "matches-dark")
        page.keyboard.press("Escape")
        _look_closer(page)
        look("a photo looked at closer")
        if scheme == "dark":
            _keep(page, "look-closer-dark")
        page.keyboard.press("Escape")
        look("Places")
        for view in ("Map", "Index"):
            page.get_by_role("button", name=view, exact=True).click()
            page.wait_for_load_state("networkidle")
            look(view)
            if scheme == "dark":
                _keep(page, f"{view.lower()}-dark")
    assert not faults
