"""The page in a real browser, on a local cloud with real jobs: what a person sees and can do.

The tests build on one another in this order: one cloud, and a page that stays open.
"""

from __future__ import annotations

from tests.browser.chromium import Browser
from tests.contract.page.world import World

HOSTILE = (
    "<script>document.title = 'owned'</script>",
    "<img src=x onerror=\"document.title = 'owned'\">",
    "\x1b[31mred\x1b[0m",
)
TEXT = "document.body.innerText"
LINES = "[...document.querySelectorAll('#log-lines > div')].map((line) => line.innerText)"


def row(name: str) -> str:
    return f"document.querySelector('li[data-key=\"{name}\"]')"


def test_an_empty_cloud_says_what_to_do(browser: Browser, world: World) -> None:
    browser.open(world.url)
    text = browser.wait(f"{TEXT}.includes('Training jobs') && {TEXT}")
    for words in ("SageMaker answers on", "MiniStack answers on", "pigeonhole drop docs/examples"):
        assert words in text
    assert f"pigeonhole up --home {world.cloud.home.root}" in text
    assert browser.run("document.querySelector('#log').hidden")
    assert browser.complaints == []


def test_what_a_job_prints_comes_live_and_is_never_run(browser: Browser, world: World) -> None:
    name = world.train(*HOSTILE, "accuracy=0.25", "accuracy=0.75", wait=True)
    lines = browser.wait(f"{LINES}.length >= 5 && {LINES}")  # the page of the test before
    assert lines == [*HOSTILE[:2], "red", "accuracy=0.25", "accuracy=0.75"]
    browser.wait(f"{row(name)}.querySelector('svg polyline')")
    assert "0.75" in browser.run(f"{row(name)}.innerText")
    assert browser.run("document.title") == "1 running · Pigeonhole: the local cloud"
    assert browser.run("document.querySelectorAll('img, #log-lines script').length") == 0
    current = f"{row(name)}.querySelector('[aria-current=step]').innerText"
    assert browser.run(current) == "Training"
    assert "1 container running" in browser.run("document.querySelector('#log').innerText")
    world.end(name)
    browser.wait(f"{row(name)}.innerText.includes('Stopped')")
    browser.wait("document.title.startsWith('Pigeonhole')")
    assert browser.complaints == []


def test_a_reason_is_text_too(browser: Browser, world: World) -> None:
    name = world.train(fail=HOSTILE[1])
    reason = browser.wait(f"{row(name)}?.querySelector('.reason')?.innerText")
    assert HOSTILE[1] in reason
    assert "owned" not in browser.run("document.title")
    assert browser.complaints == []


def test_the_page_refuses_markup_even_from_its_own_scripts(browser: Browser, world: World) -> None:
    tried = (
        "(() => { try { document.body.innerHTML = '<b>x</b>'; } catch { return 'refused'; } })()"
    )
    assert browser.run(tried) == "refused"


def test_a_job_is_chosen_by_keyboard_and_its_address_can_be_kept(
    browser: Browser, world: World
) -> None:
    name = world.train("only here")
    world.has_ended(name)
    browser.wait(row(name))
    browser.run(f"{row(name)}.querySelector('a.name').focus()")
    browser.press("Enter")
    browser.wait(f"{LINES}.includes('only here')")
    assert browser.run("location.hash") == f"#training/{name}"
    assert browser.run(f"{row(name)}.querySelector('a.name').getAttribute('aria-current')")
    browser.press("Escape")
    browser.wait("document.querySelector('#log').hidden")
    assert browser.run("document.activeElement.textContent") == name
    browser.open(f"{world.url}/#training/{name}")
    browser.wait(f"{LINES}.includes('only here')")


def test_an_endpoint_shows_what_it_did(browser: Browser, world: World) -> None:
    world.endpoint("shoes")
    world.runtime.invoke_endpoint(EndpointName="shoes", Body=b"hi", ContentType="text/csv")
    browser.wait(f"{row('shoes')}?.innerText.includes('1 container warm · 1 call')")
    text = browser.run(f"{row('shoes')}.innerText")
    assert "In service" in text
    assert "serverless, 2048 MB, at most 5 at once" in text
    assert "version 1" in browser.run(f"{TEXT}")


def test_focus_and_what_was_unfolded_stay_while_the_page_changes(
    browser: Browser, world: World
) -> None:
    names = [world.train() for _ in range(7)]
    for name in names:
        world.has_ended(name)
    browser.wait("document.querySelector('#training .earlier details')")
    browser.run("document.querySelector('#training .earlier details').open = true")
    browser.run(f"{row(names[-1])}.querySelector('a.name').focus()")
    newest = world.train()
    browser.wait(row(newest))
    assert browser.run("document.querySelector('#training .earlier details').open")
    assert browser.run("document.activeElement.textContent") == names[-1]
    first = "document.querySelector('#training a.name').textContent"
    assert browser.run(first) == newest
    keys = (
        "[...document.querySelectorAll('#training .rows li[data-key]')].map((e) => e.dataset.key)"
    )
    shown = browser.run(keys)
    assert len(shown) == len(set(shown))
    assert browser.complaints == []


def test_on_a_phone_nothing_is_cut_off_and_the_log_opens_when_asked(
    browser: Browser, world: World
) -> None:
    browser.open(world.url, width=360, height=700, dark=True)
    browser.wait(f"{TEXT}.includes('Training jobs')")
    assert browser.run("document.documentElement.scrollWidth") <= 360
    assert browser.run("document.querySelector('#log').hidden")
    browser.run("document.querySelector('#training a.name').click()")
    browser.wait("!document.querySelector('#log').hidden")
    assert browser.run("document.documentElement.scrollWidth") <= 360
    dark = browser.run("getComputedStyle(document.body).backgroundColor")
    assert dark == "rgb(20, 24, 26)"


def test_everything_that_can_be_clicked_has_a_name_and_every_drawing_says_what_it_shows(
    browser: Browser, world: World
) -> None:
    assert browser.run(
        "[...document.querySelectorAll('a, button, summary')]"
        ".every((e) => (e.ariaLabel || e.textContent).trim())"
    )
    assert browser.run("[...document.querySelectorAll('svg')].every((e) => e.ariaLabel)")
    assert browser.run("document.querySelectorAll('h1').length") == 1
    levels = browser.run("[...document.querySelectorAll('h1, h2')].map((e) => e.tagName)")
    assert levels[0] == "H1"


def test_a_cloud_that_ends_is_told_and_found_again(browser: Browser, world: World) -> None:
    browser.open(world.url)
    browser.wait(f"{TEXT}.includes('Training jobs')")
    world.cloud.stop()
    told = browser.wait(
        "!document.querySelector('#lost').hidden && document.querySelector('#lost').innerText"
    )
    assert told.startswith("The local cloud does not answer. Start it: pigeonhole up --home ")
    world.cloud.start()
    browser.wait("document.querySelector('#lost').hidden && document.querySelector('#training li')")
