"""The Communication Log: bounded, cheap to extend, and alive in the background."""

import time

from checks import MANY, check, contains, equal

WATCH = """
window.seen = [];
new MutationObserver((records) => {
  const sum = (nodes) => records.reduce((total, record) => total + record[nodes].length, 0);
  window.seen.push([sum('addedNodes'), sum('removedNodes')]);
}).observe(document.getElementById('rows'), { childList: true, subtree: true, attributes: true, characterData: true });
"""


@check
def log_is_bounded(page):
    page.connect()
    page.script(MANY, 400, "n")
    rows = page.rows_once(lambda rows: rows[-1]["data"] == "n399" and rows[-1]["look"] == "received")
    equal(len(rows), 500)
    contains(page.text("#count"), "Last 500 of 801 lines")
    echoes = [row["data"] for row in rows if row["look"] == "received"]
    equal(echoes, [f"n{i}" for i in range(400 - len(echoes), 400)])


@check
def log_changes_only_at_its_ends(page):
    """A full log: lines of one task enter together, and a new line costs its own row and the oldest one."""
    page.connect()
    page.script(MANY, 300, "n")
    page.rows_once(lambda rows: rows[-1]["data"] == "n299" and rows[-1]["look"] == "received")
    page.script(WATCH)
    page.send("last")
    page.rows_once(lambda rows: [row["data"] for row in rows[-2:]] == ["last"] * 2)
    seen = page.script("return window.seen")
    equal([sum(column) for column in zip(*seen)], [2, 2])
    page.script("window.seen.length = 0; " + MANY, 200, "m")
    page.rows_once(lambda rows: rows[-1]["data"] == "m199" and rows[-1]["look"] == "received")
    largest = max(added for added, _ in page.script("return window.seen"))
    assert largest >= 200, f"200 lines of one task entered by {largest} at most"


@check
def log_follows_its_end(page):
    page.connect()
    page.script(MANY, 60, "n")
    page.wait_rows(121)
    below = "const log = document.getElementById('log'); return log.scrollHeight - log.clientHeight - log.scrollTop"
    page.wait("view of the end", lambda: page.script(below) < 2)
    page.script("document.getElementById('log').scrollTop = 0")
    page.send("more")
    page.wait_rows(123)
    time.sleep(0.1)
    equal(page.script("return document.getElementById('log').scrollTop"), 0)


@check
def log_can_be_cleared(page):
    page.connect()
    page.browser.click("#clear")
    equal((page.rows(), page.text("#count"), page.browser.enabled("#clear")), ([], "", False))
    page.send("after")
    equal([row["data"] for row in page.wait_rows(2)], ["after"] * 2)


@check
def works_in_a_background_tab(page):
    page.connect()
    page.script(WHEN_HIDDEN)
    handle = page.browser.new_tab()
    time.sleep(4)
    page.browser.close_tab(back_to=handle)
    seen = page.script("return window.hiddenRows ?? null")
    assert seen is not None, "the page was never hidden"
    assert [True, 3] in seen, f"rows while hidden: {seen}"


# Sends once the page has been hidden, and notes how many rows there are, seen or not.
WHEN_HIDDEN = """
document.addEventListener('visibilitychange', () => {
  if (!document.hidden || window.hiddenRows) return;
  window.hiddenRows = [];
  document.getElementById('message').value = 'unseen';
  document.getElementById('compose').requestSubmit();
  const watch = setInterval(() => {
    window.hiddenRows.push([document.hidden, document.querySelectorAll('#rows > tr').length]);
    if (!document.hidden) clearInterval(watch);
  }, 200);
});
"""
